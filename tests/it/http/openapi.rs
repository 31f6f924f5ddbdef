//! docs/openapi.yaml describes the router's routes and no others.

use std::collections::BTreeSet;

use inventory_store::http::{Code, ROUTES};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.yaml");
    std::fs::read_to_string(path).expect("docs/openapi.yaml")
}

/// The operations of the document, by its layout: paths two blanks in, methods four.
fn described(document: &str) -> BTreeSet<(String, String)> {
    let mut path = None;
    let mut found = BTreeSet::new();
    for line in document.lines().skip_while(|line| *line != "paths:").skip(1) {
        if !line.starts_with(' ') && !line.is_empty() {
            break;
        }
        if let Some(name) = line.strip_prefix("  /").and_then(|rest| rest.strip_suffix(':')) {
            path = Some(format!("/{name}"));
        } else if let Some(method) = line.strip_prefix("    ").and_then(|rest| rest.strip_suffix(':'))
            && ["get", "post", "put", "patch", "delete"].contains(&method)
        {
            found.insert((method.to_uppercase(), path.clone().expect("a path before its method")));
        }
    }
    found
}

#[test]
fn the_document_and_the_router_know_the_same_routes() {
    let described = described(&document());
    let routed: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert!(!routed.is_empty());
    assert_eq!(described, routed);
}

#[test]
fn every_problem_code_is_described() {
    let (document, page) = (document(), {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md");
        std::fs::read_to_string(path).expect("docs/http.md")
    });
    for code in Code::ALL {
        assert!(document.contains(&format!("- {}\n", code.name())), "{} in openapi.yaml", code.name());
        let row = format!("| {} | `{}` |", code.status().as_u16(), code.name());
        assert!(page.contains(&row), "{row:?} in http.md");
    }
}
