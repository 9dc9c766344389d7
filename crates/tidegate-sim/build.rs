//! Lists the scenario files, so that they are part of the crate.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    gather(&root.join("scenarios"), &mut files)?;
    files.sort();
    let texts: String = files.iter().map(|path| format!("include_str!({path:?}),\n")).collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scenarios.rs"), format!("[\n{texts}]\n"))?;
    println!("cargo::rerun-if-changed=scenarios");
    Ok(())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
