// Says what is wrong with the page as it is shown now. Arguments: the window's width, how many plots there must be, and
// whether the page must be dark.
const [width, plots, dark] = arguments;
const faults = [];

const channels = (text) => (text.match(/[\d.]+/g) || []).map(Number);

// The relative luminance of WCAG 2.
function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}

function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}

// How many times larger than drawn an element of a plot is shown.
function scale(element) {
  const svg = element.closest("svg");
  return svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
}

const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

if (document.scrollingElement.scrollWidth > width) {
  faults.push(`the page is ${document.scrollingElement.scrollWidth} px wide in a window of ${width}`);
}
if (document.scripts.length > 0) faults.push("there is a script");

const paper = luminance(ground(document.body));
if (dark ? paper > 0.05 : paper < 0.8) faults.push(`the paper has a luminance of ${paper}, dark: ${dark}`);

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const text = texts.currentNode.data.trim();
  if (text === "" || element.closest("style") || !isShown(element)) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize) * scale(element);
  if (size < 12) faults.push(`"${text}" has letters of ${size.toFixed(1)} px`);
  const seen = contrast(channels(element.closest("svg") ? style.fill : style.color), ground(element));
  if (seen < 4.5) faults.push(`"${text}" has a contrast of ${seen.toFixed(1)}`);
}

const drawn = [...document.querySelectorAll(".plot svg")];
if (drawn.length !== plots) faults.push(`there are ${drawn.length} plots, not ${plots}`);
for (const svg of drawn) {
  const name = svg.closest("figure").querySelector("figcaption").textContent.trim();
  const box = svg.getBoundingClientRect();
  if (!isShown(svg) || box.width < 200 || box.height < 100) faults.push(`${name}: ${box.width} × ${box.height} px`);
  if (box.left < 0 || box.right > width) faults.push(`${name}: from ${box.left} to ${box.right} px`);
  const labels = [...svg.querySelectorAll("text")].map((label) => [label.textContent.trim(), label.getBoundingClientRect()]);
  for (const [text, at] of labels) {
    const isCut = at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1;
    if (isCut) faults.push(`${name}: the label "${text}" is cut off`);
  }
  labels.forEach(([text, a], number) => {
    for (const [other, b] of labels.slice(number + 1)) {
      const isOver = a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
      if (isOver) faults.push(`${name}: the labels "${text}" and "${other}" are one over the other`);
    }
  });
  const lines = [...svg.querySelectorAll("[stroke^=var]")].filter((line) => line.getBBox().width > 0);
  if (lines.length === 0) faults.push(`${name}: no line is drawn`);
  for (const line of lines) {
    const seen = contrast(channels(getComputedStyle(line).stroke), ground(svg));
    if (seen < 3) faults.push(`${name}: a line has a contrast of ${seen.toFixed(1)}`);
  }
}
return faults;
