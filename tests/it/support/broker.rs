//! A real Apache Kafka broker for the tests: the one that `KAFKA_BOOTSTRAP_SERVERS` names, or a process of our
//! own from the jars that `.ci/deps --with-kafka` fetched.
//!
//! One broker is shared by all tests of this binary; a test keeps to itself by the random prefix of its topics.
//! A test that stops or configures a broker starts its own. None outlives the test process: the kernel kills it
//! with us.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use inventory_store::config::KafkaConfig;
use sha2::{Digest, Sha256};

use super::left_out::left_out;

/// A broker, ours or another's.
pub struct Broker {
    bootstrap: String,
    own: Option<Own>,
}

/// What a broker of a test's own is to be like.
#[derive(Default, Clone)]
pub struct Options {
    /// How clients may speak to it: a listener for each. None = PLAINTEXT.
    pub protocols: Vec<&'static str>,
    /// Further lines of its server.properties.
    pub properties: Vec<(String, String)>,
    /// Further arguments when its storage is formatted, such as `--add-scram`.
    pub format: Vec<String>,
}

struct Own {
    libs: PathBuf,
    directory: PathBuf,
    listeners: Vec<(&'static str, u16)>,
    process: Option<Child>,
}

impl Broker {
    /// The broker that all tests share; nothing where there is none, which is noted as left out.
    pub fn shared(what: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
        let broker = SHARED.get_or_init(|| match std::env::var("KAFKA_BOOTSTRAP_SERVERS") {
            Ok(bootstrap) if !bootstrap.is_empty() => Ok(Broker { bootstrap, own: None }),
            _ => start(&Options::default()),
        });
        broker.as_ref().map_err(|why| left_out(what, why)).ok()
    }

    /// A broker for one test alone; nothing where none can be started, which is noted as left out.
    pub fn own(what: &str, options: &Options) -> Option<Self> {
        start(options).map_err(|why| left_out(what, &why)).ok()
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The address for a protocol, of a broker of our own.
    pub fn listener(&self, protocol: &str) -> String {
        let listeners = &self.own.as_ref().expect("a broker of our own").listeners;
        let (_, port) = listeners.iter().find(|(of, _)| *of == protocol).expect("a listener");
        format!("127.0.0.1:{port}")
    }

    /// Settings for this broker with topics that no other test has.
    pub fn config(&self) -> KafkaConfig {
        let mut config = KafkaConfig { bootstrap_servers: self.bootstrap.clone(), ..KafkaConfig::default() };
        prefix_topics(&mut config, &fresh_name());
        config
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let own = self.own.as_mut().expect("only a broker of our own can be killed");
        if let Some(mut process) = own.process.take() {
            process.kill().expect("kill the broker");
            process.wait().expect("wait for the broker's end");
        }
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) {
        let own = self.own.as_mut().expect("only a broker of our own can be restarted");
        assert!(own.process.is_none(), "it is still running");
        own.process = Some(run(&own.libs, &own.directory).expect("start the broker"));
        let port = own.listeners[0].1;
        ready(port, own.process.as_mut().expect("just started"), &own.directory).expect("ready");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.own.as_ref().is_some_and(|own| own.process.is_some()) {
            self.kill();
        }
        if let Some(own) = &self.own
            && !std::thread::panicking()
        {
            let _ = fs::remove_dir_all(&own.directory);
        }
    }
}

/// Gives every topic a name of its own.
pub fn prefix_topics(config: &mut KafkaConfig, prefix: &str) {
    config.topics.events = format!("{prefix}.events");
    config.topics.commands = format!("{prefix}.commands");
    config.topics.snapshots = format!("{prefix}.snapshots");
    config.topics.results = format!("{prefix}.results");
    config.topics.dead_letters = format!("{prefix}.dead-letters");
}

/// A name that nothing else has.
pub fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let random = uuid::Builder::from_random_bytes(random_bytes()).into_uuid().simple().to_string();
    format!("t{}-{}", COUNT.fetch_add(1, Ordering::Relaxed), &random[..10])
}

fn random_bytes() -> [u8; 16] {
    use std::io::Read;
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).expect("/dev/urandom");
    bytes
}

/// Where `.ci/deps --with-kafka` puts the jars of `tests/PART/pom.xml`, with a java to run them.
pub fn jars(part: &str) -> Result<PathBuf, String> {
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(part).join("pom.xml");
    let digest = Sha256::digest(fs::read(&pom).map_err(|error| format!("{}: {error}", pom.display()))?);
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("INVENTORY_STORE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("inventory-store")))
        .or_else(|| Some(variable("HOME")?.join(".cache/inventory-store")))
        .ok_or("no HOME to look for jars in")?;
    let jars = cache.join(format!("{part}-{hash}"));
    if !jars.is_dir() {
        return Err(format!("{} is missing; run .ci/deps --with-kafka", jars.display()));
    }
    let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match java {
        Ok(status) if status.success() => Ok(jars),
        _ => Err("java is missing; run .ci/deps --with-kafka".into()),
    }
}

fn start(options: &Options) -> Result<Broker, String> {
    let libs = jars("kafka").map_err(|why| format!("no Kafka: {why}"))?;
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "kafka-{}-{}",
        std::process::id(),
        fresh_name()
    ));
    sweep(Path::new(env!("CARGO_TARGET_TMPDIR")));
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let protocols = if options.protocols.is_empty() { vec!["PLAINTEXT"] } else { options.protocols.clone() };
    let mut ports = free_ports(protocols.len() + 2);
    let (controller, internal) = (ports.remove(0), ports.remove(0));
    let listeners: Vec<_> = protocols.into_iter().zip(ports).collect();
    let text = properties(&directory, &listeners, internal, controller, options);
    fs::write(directory.join("server.properties"), text).map_err(|error| error.to_string())?;
    format_storage(&libs, &directory, options);
    let mut process = run(&libs, &directory).map_err(|error| error.to_string())?;
    // From here on failing is a failure: everything that was needed is there.
    let port = listeners[0].1;
    ready(port, &mut process, &directory).unwrap_or_else(|error| panic!("{error}"));
    Ok(Broker {
        bootstrap: format!("127.0.0.1:{port}"),
        own: Some(Own { libs, directory, listeners, process: Some(process) }),
    })
}

/// Removes what brokers of test processes that are no more have left.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("kafka-").and_then(|rest| rest.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let taken: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    taken.iter().map(|listener| listener.local_addr().expect("its address").port()).collect()
}

fn properties(
    directory: &Path,
    listeners: &[(&str, u16)],
    internal: u16,
    controller: u16,
    options: &Options,
) -> String {
    let mut open: Vec<String> =
        listeners.iter().map(|(protocol, port)| format!("{protocol}://127.0.0.1:{port}")).collect();
    open.push(format!("INTERNAL://127.0.0.1:{internal}"));
    let advertised = open.join(",");
    let mut map: Vec<String> =
        listeners.iter().map(|(protocol, _)| format!("{protocol}:{protocol}")).collect();
    map.push("INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".into());
    let data = directory.join("data");
    let mut lines: Vec<(String, String)> = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".into()),
        ("controller.quorum.bootstrap.servers", format!("127.0.0.1:{controller}")),
        ("listeners", format!("{advertised},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", advertised.clone()),
        ("listener.security.protocol.map", map.join(",")),
        ("controller.listener.names", "CONTROLLER".into()),
        ("inter.broker.listener.name", "INTERNAL".into()),
        ("log.dirs", data.display().to_string()),
        ("offsets.topic.replication.factor", "1".into()),
        ("offsets.topic.num.partitions", "4".into()),
        ("transaction.state.log.replication.factor", "1".into()),
        ("transaction.state.log.min.isr", "1".into()),
        ("transaction.state.log.num.partitions", "4".into()),
        ("share.coordinator.state.topic.replication.factor", "1".into()),
        ("share.coordinator.state.topic.min.isr", "1".into()),
        ("group.initial.rebalance.delay.ms", "0".into()),
        ("auto.create.topics.enable", "true".into()),
        // Retention and compaction are seen within seconds.
        ("log.cleaner.backoff.ms", "500".into()),
        ("log.cleaner.min.cleanable.ratio", "0.01".into()),
        ("log.retention.check.interval.ms", "1000".into()),
        ("log.segment.delete.delay.ms", "100".into()),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000".into()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec();
    lines.extend(options.properties.iter().cloned());
    lines
        .iter()
        .map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\").replace('\n', "\\n")))
        .collect()
}

fn java(libs: &Path, directory: &Path, log: &str) -> Command {
    let output = File::options().create(true).append(true).open(directory.join(log)).expect("its log file");
    let mut command = Command::new("java");
    command
        .args(["-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
        .arg(format!("{}/*", libs.display()))
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output);
    command
}

fn format_storage(libs: &Path, directory: &Path, options: &Options) {
    let cluster = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random_bytes())
    };
    let status = java(libs, directory, "format.log")
        .args(["kafka.tools.StorageTool", "format", "--standalone", "-t"])
        // An id that begins with a dash would be taken for an option.
        .arg(format!("A{}", &cluster[1..]))
        .arg("-c")
        .arg(directory.join("server.properties"))
        .args(&options.format)
        .status()
        .expect("java runs");
    assert!(
        status.success(),
        "the broker's storage could not be formatted: {}",
        tail(&directory.join("format.log"))
    );
}

/// Starts the broker so that the kernel kills it with us. It does so when the thread that started it ends, and
/// a test's thread ends with the test: so a thread of its own stays for it.
fn run(libs: &Path, directory: &Path) -> io::Result<Child> {
    let mut command = java(libs, directory, "broker.log");
    command.arg("kafka.Kafka").arg(directory.join("server.properties"));
    dies_with_its_parent(&mut command);
    let (send, receive) = mpsc::channel();
    std::thread::Builder::new().name("broker's parent".into()).spawn(move || {
        let _ = send.send(command.spawn());
        loop {
            std::thread::park();
        }
    })?;
    receive.recv().expect("the thread answers")
}

#[expect(unsafe_code, reason = "a child can be tied to its parent's life only between fork and exec")]
pub fn dies_with_its_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl is a single system call, which is all that may happen between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

fn ready(port: u16, process: &mut Child, directory: &Path) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(90);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = directory.join("broker.log");
        if let Ok(Some(status)) = process.try_wait() {
            return Err(format!("the broker ended with {status}: {}", tail(&log)));
        }
        if Instant::now() > deadline {
            let _ = process.kill();
            return Err(format!("the broker accepts no connections after 90 s: {}", tail(&log)));
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The settings as variables of the environment.
pub fn variables(kafka: &KafkaConfig, partitions: u16) -> Vec<(String, String)> {
    let mut variables = vec![
        ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), kafka.bootstrap_servers.clone()),
        ("INVENTORY_STORE__CONTRACT__PARTITIONS".to_owned(), partitions.to_string()),
    ];
    let topics = &kafka.topics;
    for (key, name) in [
        ("EVENTS", &topics.events),
        ("COMMANDS", &topics.commands),
        ("SNAPSHOTS", &topics.snapshots),
        ("RESULTS", &topics.results),
        ("DEAD_LETTERS", &topics.dead_letters),
    ] {
        variables.push((format!("INVENTORY_STORE__KAFKA__TOPICS__{key}"), name.clone()));
    }
    variables
}
