//! Whatever happens to a file of a base, reading it ends in a typed error that names the file.

use std::fs;

use super::*;

fn small_base(directory: &Path) -> (Archive, BaseId) {
    let archive = archive(directory);
    let id = write(&archive, 7, 42, &rows(40), "2026-11-24T10:00:00Z").base().id;
    (archive, id)
}

fn of_base(directory: &Path, id: BaseId, what: &str) -> std::path::PathBuf {
    let found =
        files(directory).into_iter().find(|name| name.starts_with(&id.folder()) && name.contains(what));
    directory.join(found.expect("is there"))
}

/// Reading, as a restore does, and verifying: both must find it, but for what a restore has no need of.
fn look(archive: &Archive, id: BaseId) -> [Result<(), ArchiveError>; 2] {
    let read = archive.base(id).and_then(|base| super::read(archive, &base)).map(drop);
    [read, verify(archive, id).map(drop)]
}

#[test]
fn one_bit_flipped_anywhere_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (archive, id) = small_base(directory.path());
    for what in [".rows", "manifest.json"] {
        let path = of_base(directory.path(), id, what);
        let bytes = fs::read(&path).expect("reads");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                fs::write(&path, &flipped).expect("writes");
                for result in look(&archive, id) {
                    let error = result.expect_err(&format!("{what}: bit {bit} of byte {at} is not found"));
                    assert!(error.is_damage(), "{what}: bit {bit} of byte {at}: {error}");
                    assert!(error.to_string().contains(what), "{what}: bit {bit} of byte {at}: {error}");
                }
            }
        }
        fs::write(&path, &bytes).expect("writes");
    }
    for result in look(&archive, id) {
        result.expect("is whole again");
    }
}

#[test]
fn a_file_cut_anywhere_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (archive, id) = small_base(directory.path());
    for what in [".rows", "manifest.json"] {
        let path = of_base(directory.path(), id, what);
        let bytes = fs::read(&path).expect("reads");
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).expect("writes");
            for result in look(&archive, id) {
                let error = result.expect_err("is found");
                assert!(matches!(error, ArchiveError::Truncated { .. }), "{what} of {length} bytes: {error}");
            }
        }
        let mut longer = bytes.clone();
        longer.push(b'\n');
        fs::write(&path, &longer).expect("writes");
        for result in look(&archive, id) {
            assert!(result.expect_err("is found").is_damage());
        }
        fs::write(&path, &bytes).expect("writes");
    }
}

#[test]
fn a_missing_file_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (archive, id) = small_base(directory.path());
    fs::remove_file(of_base(directory.path(), id, ".rows")).expect("removes");
    for result in look(&archive, id) {
        let error = result.expect_err("is found");
        assert!(matches!(error, ArchiveError::Missing { .. }), "{error}");
    }
    fs::remove_file(of_base(directory.path(), id, "manifest.json")).expect("removes");
    let error = archive.base(id).expect_err("is no base");
    assert!(matches!(error, ArchiveError::NoBase { .. }), "{error}");
    assert_eq!(archive.list(None).expect("lists").bases.len(), 0);
}

/// Sound files, of another base: of the same partition, of another one, of another place in the same base.
#[test]
fn a_foreign_file_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (archive, id) = small_base(directory.path());
    let other = write(&archive, 7, 43, &rows(40), "2026-11-24T10:00:00Z").base().id;
    for what in [".rows", "manifest.json"] {
        let path = of_base(directory.path(), id, what);
        let bytes = fs::read(&path).expect("reads");
        fs::copy(of_base(directory.path(), other, what), &path).expect("copies");
        for result in look(&archive, id) {
            let error = result.expect_err("is found");
            assert!(matches!(error, ArchiveError::Foreign { .. }), "{what}: {error}");
        }
        fs::write(&path, "not written by this program, and long enough to have a front and an end\"\n}\n")
            .expect("writes");
        for result in look(&archive, id) {
            assert!(result.expect_err("is found").is_damage());
        }
        fs::write(&path, &bytes).expect("writes");
    }
}

#[test]
fn two_files_of_one_base_exchanged_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let mut random = fastrand::Rng::with_seed(2);
    let rows: Rows = (0..4_u8)
        .map(|n| (vec![n + 1], std::iter::repeat_with(|| random.u8(..)).take(9 << 20).collect()))
        .collect();
    let base = write(&archive, 7, 42, &rows, "2026-11-24T10:00:00Z").base().clone();
    let [first, second] = [0, 1].map(|index| directory.path().join(base.file_name(index)));
    let bytes = fs::read(&first).expect("reads");
    fs::copy(&second, &first).expect("copies");
    fs::write(&second, bytes).expect("writes");
    let error = verify(&archive, base.id).expect_err("is found");
    assert!(matches!(error, ArchiveError::Foreign { .. } | ArchiveError::Truncated { .. }), "{error}");
}

#[test]
fn a_newer_version_is_named_as_such() {
    let directory = tempfile::tempdir().expect("a directory");
    let (archive, id) = small_base(directory.path());
    let path = of_base(directory.path(), id, "manifest.json");
    let text = fs::read_to_string(&path).expect("reads");
    // As the newer program writes it: with its own checksum.
    let newer = |from: &str, to: &str| {
        let text = text.replacen(from, to, 1);
        let body = text.rsplit_once("  \"crc32c\"").expect("has one").0.to_owned();
        let crc = crc32c::crc32c(body.as_bytes());
        fs::write(&path, format!("{body}  \"crc32c\": \"{crc:08x}\"\n}}\n")).expect("writes");
        archive.base(id).expect_err("is newer")
    };
    for (from, to) in
        [("\"format\": 1,", "\"format\": 2,\n  \"something\": [],"), ("\"evolve\": ", "\"evolve\": 9")]
    {
        let error = newer(from, to);
        assert!(matches!(error, ArchiveError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("run the newer program"), "{error}");
    }
    let error = newer("\"rows\": 40,\n  \"digest\"", "\"rows\": 41,\n  \"digest\"");
    assert!(matches!(error, ArchiveError::Foreign { .. }), "{error}");
}
