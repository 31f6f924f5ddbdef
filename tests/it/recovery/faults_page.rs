//! `docs/faults.md` names a test per fault: each must be there.

use std::path::Path;

fn texts(directory: &Path, found: &mut String) {
    for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&std::fs::read_to_string(path).expect("text"));
        }
    }
}

#[test]
fn every_fault_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).expect("the page");
    let mut sources = String::new();
    texts(&root.join("src"), &mut sources);
    texts(&root.join("tests"), &mut sources);
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault")) {
        let test = row.rsplit('`').nth(1).unwrap_or_else(|| panic!("no test in {row}"));
        assert!(sources.contains(&format!("fn {test}(")), "there is no test {test}, named for: {row}");
        rows += 1;
    }
    assert!(rows > 10, "the table is there");
}
