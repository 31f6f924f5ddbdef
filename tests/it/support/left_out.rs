use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Says that a test could not run here, and why: a failure where everything is required
/// (`INVENTORY_STORE_REQUIRE_ALL=1`), a line in the file that `make test` shows at its end otherwise.
pub fn left_out(what: &str, why: &str) {
    if std::env::var("INVENTORY_STORE_REQUIRE_ALL").is_ok_and(|value| value == "1") {
        panic!("{what} cannot run here, and INVENTORY_STORE_REQUIRE_ALL asks for everything: {why}");
    }
    let file = std::env::var("INVENTORY_STORE_LEFT_OUT").unwrap_or_else(|_| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/left-out.txt").display().to_string()
    });
    let line = format!("{what}: {why}\n");
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut f| f.write_all(line.as_bytes()));
    written
        .unwrap_or_else(|error| panic!("{what} was left out ({why}), and {file} cannot be written: {error}"));
}
