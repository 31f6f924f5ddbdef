//! The data directory's disk is full, on a real broker: named, logged once, nothing lost.

use std::path::Path;
use std::time::{Duration, Instant};

use super::on_kafka::{run_on, variables};
use crate::support::broker::Broker;
use crate::support::process::run_with;
use crate::support::service::{Service, eventually};
use crate::support::small_disk::SmallDisk;

const ROOM: u64 = 256 << 20;

/// How often the service said something.
fn said(service: &Service, words: &str) -> usize {
    service.log().matches(words).count()
}

struct Scene {
    settings: Vec<(String, String)>,
    directory: tempfile::TempDir,
}

impl Scene {
    /// Nothing where there is no broker.
    fn new(what: &str) -> Option<Self> {
        let mut settings = variables(&Broker::shared(what)?.config());
        settings.push(("INVENTORY_STORE__LANE__LANES".into(), "1".into()));
        let scene = Self { settings, directory: tempfile::tempdir().expect("a directory") };
        run_on(&scene.settings(), &["topics", "create", "--development"]).ended(0);
        std::fs::create_dir(scene.data()).expect("a data directory");
        Some(scene)
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    fn start(&self) -> Service {
        Service::start(&self.data(), &self.settings())
    }

    fn generate(&self, events: u32, skus: u32, seed: u32) {
        let (events, skus, seed) = (events.to_string(), skus.to_string(), seed.to_string());
        run_on(&self.settings(), &["generate", "--events", &events, "--skus", &skus, "--seed", &seed])
            .ended(0);
    }

    /// The end that a service knows of may be a second old.
    fn until_read(&self, service: &Service, events: u64) {
        eventually("all is read", Duration::from_secs(60), || (service.passed() == events).then_some(()));
    }

    fn is_sound(&self) {
        let data = self.data().display().to_string();
        for against in ["live", "snapshot"] {
            run_on(&self.settings(), &["verify", "--against", against, "--data-dir", &data]).ended(0);
        }
    }
}

#[test]
fn a_full_disk_while_serving_is_waited_out() {
    let what = "recovery: a full disk while serving";
    let Some(scene) = Scene::new(what) else { return };
    let Some(disk) = SmallDisk::mount(what, &scene.data(), ROOM) else { return };
    let service = scene.start();
    scene.generate(1000, 60, 1);
    scene.until_read(&service, 1000);
    disk.fill();
    // RocksDB has room for some of it in the log that it has laid out already.
    let (mut seed, mut events) = (1, 1000);
    eventually("it says so", Duration::from_secs(120), || {
        seed += 1;
        scene.generate(20_000, 600, seed);
        events += 20_000;
        (said(&service, "no space left for the store") > 0).then_some(())
    });
    assert_eq!(service.get("/health/live").0, 200, "it is there, and reads are answered");
    let (status, body) = service.get("/stock_levels/SKU-000001?stale=allowed");
    assert_eq!(status, 200, "{body}");
    // Tried again all the time, and told once for each lane.
    std::thread::sleep(Duration::from_secs(3));
    let told = said(&service, "no space left for the store");
    assert!(told <= 2, "{told} times: {}", service.log());
    assert!(service.log().contains("free some"), "and what to do: {}", service.log());

    disk.free();
    scene.until_read(&service, events);
    service.wait_until_level(Duration::from_secs(120));
    assert_eq!(service.terminate(), Some(0));
    scene.is_sound();
}

#[test]
fn a_full_disk_while_restoring_leaves_nothing_half_done() {
    let what = "recovery: a full disk while restoring";
    let Some(scene) = Scene::new(what) else { return };
    let service = scene.start();
    scene.generate(12_000, 5_000, 1);
    scene.until_read(&service, 12_000);
    // One that was under way already when most of it came would hold little of it.
    run_with(&["snapshot", "--url", &service.url], &[], "", Path::new(".")).ended(0);
    assert_eq!(service.terminate(), Some(0));
    scene.generate(200, 5_000, 2);
    std::fs::remove_dir_all(scene.data().join("partitions")).expect("lost");

    // Room for the files of rows of neither partition.
    let Some(disk) = SmallDisk::mount(what, &scene.data(), 300 << 10) else { return };
    let service = scene.start();
    let deadline = Instant::now() + Duration::from_secs(60);
    let stopped = || service.partitions().iter().filter(|p| p["state"] == "failed").count() == 2;
    while !stopped() {
        assert!(Instant::now() < deadline, "not stopped: {:?}\n{}", service.partitions(), service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = said(&service, "no space left");
    assert_eq!(told, 2, "once for each partition: {}", service.log());
    assert!(service.log().contains("free some"), "and what to do: {}", service.log());
    for partition in 0..2 {
        let home = scene.data().join(format!("partitions/{partition:03}"));
        assert_eq!(generations(&home), 0, "no generation, whole or half, is left");
    }
    service.terminate();

    disk.resize(ROOM);
    let service = scene.start();
    scene.until_read(&service, 12_200);
    service.wait_until_level(Duration::from_secs(120));
    assert!(service.log().contains("partition restored"), "{}", service.log());
    assert_eq!(service.terminate(), Some(0));
    scene.is_sound();
}

fn generations(home: &Path) -> usize {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("gen-")).count()
}
