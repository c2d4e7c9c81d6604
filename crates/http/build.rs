//! Puts the built console (`web/dist`, made by `npm run build`) into the program. Without it the program still builds, and shows a page
//! that says so: whoever works on the server needs no Node.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=ARGOSY_CONSOLE");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = env::var_os("ARGOSY_CONSOLE").map_or_else(|| root.join("../../web/dist"), PathBuf::from);
    println!("cargo:rerun-if-changed={}", dist.join("index.html").display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files);
    }
    files.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (name, path) in &files {
        let _ = writeln!(table, "    File {{ path: {name:?}, bytes: include_bytes!({path:?}) }},");
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("console.rs");
    fs::write(out, table).expect("the table of the console's files could not be written");
}

/// Every file below `folder`: its path in a URL, and where it lies.
fn collect(folder: &Path, dist: &Path, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).expect("the built console could not be read");
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, dist, files);
            continue;
        }
        let name: Vec<String> = path
            .strip_prefix(dist)
            .expect("below dist")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let whole = fs::canonicalize(&path).expect("it was just listed");
        files.push((format!("/{}", name.join("/")), whole.to_string_lossy().into_owned()));
    }
}
