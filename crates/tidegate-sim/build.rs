//! Lists the scenario files with their names, so that they are part of the crate.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("scenarios");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    let text = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default();
        format!("({name:?}, include_str!({path:?})),\n")
    };
    let texts: String = files.iter().map(text).collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scenarios.rs"), format!("[\n{texts}]\n"))?;
    println!("cargo::rerun-if-changed=scenarios");
    Ok(())
}
