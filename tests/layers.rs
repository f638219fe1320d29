//! The library's modules stand in data-flow order in `src/lib.rs`; an import may only point to an
//! earlier line. Machine instructions and `unsafe` stay behind the fence in `vector/arch`.
#![cfg(not(target_arch = "wasm32"))]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "native" && name != "wasm" {
            sources(&path, out);
        } else if name.ends_with(".rs") {
            out.push(path);
        }
    }
}

fn library() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut paths,
    );
    paths.sort();
    assert!(paths.len() > 20, "the scan found the library");
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8")))
        .collect()
}

fn module_of(path: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = path.strip_prefix(src).expect("inside src");
    let first = inside.components().next().expect("a name").as_os_str();
    first
        .to_str()
        .expect("UTF-8")
        .trim_end_matches(".rs")
        .to_string()
}

fn layers() -> Vec<String> {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
        .expect("lib.rs");
    lib.lines()
        .filter_map(|line| {
            line.strip_prefix("pub mod ")?
                .strip_suffix(';')
                .map(String::from)
        })
        .collect()
}

#[test]
fn imports_point_only_to_earlier_layers() {
    let layers = layers();
    let level = |name: &str| layers.iter().position(|layer| layer == name);
    let mut wrong = Vec::new();
    for (path, text) in library() {
        let own = module_of(&path);
        if own == "lib" {
            continue;
        }
        let own_level = level(&own).unwrap_or_else(|| panic!("{own} is not a layer of lib.rs"));
        assert!(
            !text.contains("use crate::{"),
            "{}: name one path a line",
            path.display()
        );
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for used in code.split("crate::").skip(1) {
                let name: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if level(&name).is_none_or(|used_level| used_level > own_level) {
                    wrong.push(format!(
                        "{}:{}: {own} uses {name}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_and_intrinsics_stay_behind_the_fence() {
    for (path, text) in library() {
        if path.components().any(|part| part.as_os_str() == "arch") {
            continue;
        }
        for word in ["unsafe ", "core::arch", "std::arch", "target_feature"] {
            let found = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains(word) && !code.trim_start().starts_with("#!")
            });
            assert!(
                !found,
                "{} contains {word:?} outside vector/arch",
                path.display()
            );
        }
    }
}
