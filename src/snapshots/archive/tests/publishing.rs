use super::*;

#[test]
fn what_was_put_is_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    for count in [0, 1, 2, 50_000] {
        let rows = rows(count);
        let published = write(&archive, 7, 100 + count, &rows, "2026-11-24T10:00:00Z");
        assert!(matches!(published, Published::New(_)));
        let base = archive.base(published.base().id).expect("is there");
        assert_eq!(&base, published.base());
        assert_eq!(read(&archive, &base).expect("reads"), rows);
        let verified = verify(&archive, base.id).expect("is sound");
        assert_eq!((verified.rows, verified.bytes), (count, base.manifest.bytes()));
    }
}

#[test]
fn a_row_longer_than_a_block_and_incompressible_ones_are_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise =
        |length: usize| std::iter::repeat_with(|| random.u8(..)).take(length).collect::<Vec<u8>>();
    let rows: Rows = vec![
        (b"a".to_vec(), Vec::new()),
        (b"b".to_vec(), noise(3 << 20)),
        (b"c".to_vec(), vec![7; 9 << 20]),
        (b"d".to_vec(), noise(9 << 20)),
        (noise(70_000).into_iter().map(|byte| byte | 0x80).collect(), b"x".to_vec()),
    ];
    let published = write(&archive, 0, 5, &rows, "2026-11-24T10:00:00Z");
    assert!(published.base().manifest.files.len() > 1, "{:?}", published.base().manifest.files);
    assert_eq!(read(&archive, published.base()).expect("reads"), rows);
}

/// A base filled into a store gives its meta back, as far as a base carries it.
#[test]
fn a_manifest_carries_the_meta_of_the_store() {
    let rows = rows(3);
    let mut wanted = meta(3, 42, &rows);
    wanted.progress.counters.malformed.insert("wrong_partition".into(), 2);
    wanted.progress.next_commands = NextOffset(9);
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let mut writer = archive.begin(wanted.clone(), origin("2026-11-24T10:00:00Z")).expect("begins");
    for (key, value) in &rows {
        writer.put(key, value).expect("puts");
    }
    let published = writer.publish().expect("publishes");
    let found = published.base().manifest.meta();
    assert_eq!((&found.identity, &found.progress), (&wanted.identity, &wanted.progress));
    assert_eq!((found.rows, found.digest, found.baseline), (wanted.rows, wanted.digest, true));
}

#[test]
fn rows_that_are_not_the_stores_are_never_published() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    let rows = rows(3);
    let begin = || archive.begin(meta(1, 9, &rows), origin("2026-11-24T10:00:00Z")).expect("begins");

    let mut short = begin();
    for (key, value) in &rows[..2] {
        short.put(key, value).expect("puts");
    }
    let refused = short.publish().expect_err("a row is missing");
    assert!(matches!(refused, ArchiveError::UnsoundSource { .. }), "{refused}");

    let mut unsorted = begin();
    unsorted.put(b"b", b"1").expect("puts");
    for key in [b"a", b"b"] {
        let refused = unsorted.put(key, b"2").expect_err("out of order");
        assert!(refused.to_string().contains("out of order"), "{refused}");
    }
    drop(unsorted);
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

/// Two instances archive the same state at the same time: one base, and nothing of the other's is left.
#[test]
fn the_same_base_made_twice_at_once_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = rows(20_000);
    let published: Vec<Published> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let archive = archive(directory.path());
                let rows = &rows;
                scope.spawn(move || write(&archive, 2, 77, rows, "2026-11-24T10:00:00Z"))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("writes")).collect()
    });
    let new = published.iter().filter(|published| matches!(published, Published::New(_))).count();
    assert_eq!(new, 1);
    let archive = archive(directory.path());
    let listing = archive.list(None).expect("lists");
    assert_eq!((listing.bases.len(), listing.unsound.len()), (1, 0));
    assert_eq!(files(directory.path()).len(), 1 + listing.bases[0].manifest.files.len());
    verify(&archive, listing.bases[0].id).expect("is sound");
}

#[test]
fn another_clusters_base_at_the_same_position_has_another_name() {
    let rows = rows(3);
    let ours = meta(1, 9, &rows);
    let mut theirs = ours.clone();
    theirs.identity.cluster_id = "another".into();
    assert_ne!(BaseId::of(&ours), BaseId::of(&theirs));
    let mut newer = ours.clone();
    newer.identity.versions.evolve += 1;
    assert_ne!(BaseId::of(&ours), BaseId::of(&newer));
}

#[test]
fn a_base_has_a_name_that_is_read_again() {
    let id = BaseId::of(&meta(7, 42, &rows(1)));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!(id.to_string().starts_with("007-42-"), "{id}");
    for text in ["", "007", "007-42", "007-42-xyz", "-1-42-00", "latest"] {
        assert!(text.parse::<BaseId>().expect_err("no base").contains("archive list"), "{text}");
    }
}

#[test]
fn the_newest_base_is_found_by_time_and_position() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = archive(directory.path());
    assert!(archive.newest(Partition(1), None, None).expect("looks").0.is_none(), "no directory yet");
    let ids: Vec<BaseId> = [10, 20, 30]
        .map(|next| write(&archive, 1, next, &rows(next), "2026-11-24T10:00:00Z").base().id)
        .to_vec();
    let newest = |at: Option<i64>, below: Option<u64>| {
        let (found, passed) =
            archive.newest(Partition(1), at.map(Timestamp), below.map(NextOffset)).expect("looks");
        (found.map(|base| base.id), passed.len())
    };
    assert_eq!(newest(None, None), (Some(ids[2]), 0));
    assert_eq!(newest(Some(20_000), None), (Some(ids[1]), 0));
    assert_eq!(newest(None, Some(29)), (Some(ids[1]), 0));
    assert_eq!(newest(Some(9_999), None), (None, 0));

    archive.supersede(ids[1], "a decoder fault").expect("marks");
    archive.supersede(ids[1], "again").expect("marks");
    assert_eq!(newest(Some(20_000), None), (Some(ids[0]), 0));
    let base = archive.base(ids[1]).expect("is there");
    let refused = read(&archive, &base).expect_err("superseded");
    assert!(refused.to_string().contains("a decoder fault"), "{refused}");

    // A damaged manifest is passed over, and said.
    let manifest = directory.path().join(ids[2].folder()).join("manifest.json");
    std::fs::write(manifest, "{").expect("writes");
    assert_eq!(newest(None, None), (Some(ids[0]), 1));
    let listing = archive.list(Some(Partition(1))).expect("lists");
    assert_eq!((listing.bases.len(), listing.unsound.len()), (2, 1));
}

/// A port that answers nobody: a typed error that names the place, in the time that was given.
#[cfg(feature = "object-stores")]
#[test]
fn an_object_store_that_cannot_be_reached_is_named() {
    use crate::config::kafka::Secret;

    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let options = [
        ("aws_endpoint", format!("http://{closed}")),
        ("aws_region", "us-east-1".into()),
        ("aws_allow_http", "true".into()),
        ("aws_access_key_id", "id".into()),
        ("aws_secret_access_key", "hunter2".into()),
    ];
    let config = ArchiveConfig {
        url: "s3://a-bucket/archive".into(),
        timeout_seconds: 2,
        options: options.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect(),
        ..ArchiveConfig::default()
    };
    let archive = Archive::open(&config).expect("opens: nothing is asked yet");
    let refused = archive.list(None).expect_err("nobody answers");
    let text = refused.to_string();
    assert!(matches!(refused, ArchiveError::Unreachable { .. }), "{refused:?}");
    assert!(text.contains("s3://a-bucket/archive") && !text.contains("hunter2"), "{text}");

    // One that takes the request and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let mut config = config;
    config.options.insert("aws_endpoint".into(), Secret::new(endpoint));
    let archive = Archive::open(&config).expect("opens");
    let mut writer = archive.begin(meta(0, 3, &rows(3)), origin("2026-11-24T10:00:00Z")).expect("begins");
    for (key, value) in rows(3) {
        writer.put(&key, &value).expect("puts");
    }
    let refused = writer.publish().expect_err("nobody answers");
    assert!(matches!(refused, ArchiveError::Unreachable { .. }), "{refused:?}");

    config.options.insert("aws_colour".into(), Secret::new("blue"));
    let refused = Archive::open(&config).expect_err("no such option");
    assert!(refused.to_string().contains("archive.options.aws_colour"), "{refused}");
}
