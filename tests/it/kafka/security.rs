//! SSL and SASL_SSL against a broker with a throw-away authority.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use inventory_store::config::KafkaConfig;
use inventory_store::config::kafka::{Mechanism, Protocol, Secret};
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, LogError};
use inventory_store::types::Topic;

use super::{event, topic};
use crate::support::broker::{Broker, Options};

const USER: &str = "alice";
const PASSWORD: &str = "correct horse battery staple";
/// What a refusal does not wait for.
const TIMEOUT_MS: u32 = 120_000;
/// Well before that, on however busy a machine.
const SOON: Duration = Duration::from_secs(60);

struct Secured {
    broker: Broker,
    certificates: PathBuf,
}

impl Secured {
    fn get(what: &str) -> Option<&'static Self> {
        static SECURED: OnceLock<Option<Secured>> = OnceLock::new();
        SECURED.get_or_init(|| Self::start(what)).as_ref()
    }

    fn start(what: &str) -> Option<Self> {
        let certificates = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory").keep();
        make_certificates(&certificates);
        let scram = |mechanism: &str| format!("{mechanism}=[name={USER},password=\"{PASSWORD}\"]");
        let module = "org.apache.kafka.common.security";
        let properties = [
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", certificates.join("broker.pem").display().to_string()),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512".into()),
            (
                "listener.name.sasl_ssl.plain.sasl.jaas.config",
                format!("{module}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";"),
            ),
            (
                "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config",
                format!("{module}.scram.ScramLoginModule required;"),
            ),
            (
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
                format!("{module}.scram.ScramLoginModule required;"),
            ),
        ];
        let options = Options {
            protocols: vec!["SSL", "SASL_SSL"],
            properties: properties.map(|(key, value)| (key.to_owned(), value)).to_vec(),
            format: ["SCRAM-SHA-256", "SCRAM-SHA-512"]
                .iter()
                .flat_map(|mechanism| ["--add-scram".to_owned(), scram(mechanism)])
                .collect(),
        };
        Some(Self { broker: Broker::own(what, &options)?, certificates })
    }

    fn ca(&self) -> PathBuf {
        self.certificates.join("ca.crt")
    }

    fn config(&self, protocol: Protocol) -> KafkaConfig {
        let mut config = self.broker.config();
        config.bootstrap_servers = self.broker.listener(match protocol {
            Protocol::Ssl => "SSL",
            _ => "SASL_SSL",
        });
        config.request_timeout_ms = 10_000;
        config.security.protocol = protocol;
        config.security.ca_location = Some(self.ca());
        if protocol == Protocol::SaslSsl {
            config.security.username = Some(USER.into());
            config.security.password = Some(Secret::new(PASSWORD));
        }
        config
    }
}

/// An authority, a broker's certificate by it, and an authority that knows nothing of either.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &[&str]| {
        let done =
            Command::new("openssl").args(arguments).current_dir(directory).output().expect("openssl runs");
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    for (name, subject) in [("ca", "/CN=throw-away"), ("other", "/CN=unknown")] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            subject,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ]);
    }
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=broker",
        "-keyout",
        "broker.key",
        "-out",
        "broker.csr",
    ]);
    fs::write(directory.join("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("written");
    openssl(&[
        "x509",
        "-req",
        "-in",
        "broker.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "san",
        "-out",
        "broker.crt",
    ]);
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect(name);
    fs::write(directory.join("broker.pem"), read("broker.key") + &read("broker.crt") + &read("ca.crt"))
        .expect("written");
}

fn works(config: &KafkaConfig) {
    let log = KafkaLog::connect(config).expect("connects");
    log.create(Topic::Events, &topic(1)).expect("creates");
    let answers = log.appender().expect("an appender").append(vec![event(0, "secret stock")]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[test]
fn ssl_works() {
    let Some(secured) = Secured::get("kafka: SSL") else { return };
    works(&secured.config(Protocol::Ssl));
}

#[test]
fn every_mechanism_works() {
    let Some(secured) = Secured::get("kafka: SASL_SSL") else { return };
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        let mut config = secured.config(Protocol::SaslSsl);
        config.security.mechanism = mechanism;
        works(&config);
    }
}

#[test]
fn a_password_file_works_with_an_end_of_line() {
    let Some(secured) = Secured::get("kafka: a password file") else { return };
    let mut config = secured.config(Protocol::SaslSsl);
    let file = secured.certificates.join("password");
    fs::write(&file, format!("{PASSWORD}\n")).expect("written");
    config.security.password = None;
    config.security.password_file = Some(file);
    works(&config);
}

/// What `connect` answers, how long it took, and every line that was logged meanwhile.
fn refused(config: &KafkaConfig) -> (LogError, Duration, String) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lines").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let begun = Instant::now();
    let answer = tracing::subscriber::with_default(subscriber, || KafkaLog::connect(config));
    let Err(error) = answer else { panic!("connected") };
    let logged = String::from_utf8_lossy(&lines.0.lock().expect("lines")).into_owned();
    (error, begun.elapsed(), logged)
}

#[test]
fn a_wrong_password_is_refused_soon_and_never_shown() {
    let Some(secured) = Secured::get("kafka: a wrong password") else { return };
    const WRONG: &str = "hunter2-and-more";
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha512] {
        let mut config = secured.config(Protocol::SaslSsl);
        config.security.mechanism = mechanism;
        config.security.password = Some(Secret::new(WRONG));
        config.properties.0.insert("debug".into(), "security,broker,conf".into());
        config.request_timeout_ms = TIMEOUT_MS;
        let (error, took, logged) = refused(&config);
        assert!(matches!(error, LogError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&config.bootstrap_servers) && text.to_lowercase().contains("authentication"),
            "{text}"
        );
        assert!(took < SOON, "{took:?}");
        assert!(!logged.is_empty());
        for shown in [&text, &logged, &format!("{config:?}"), &serde_json::to_string(&config).expect("json")]
        {
            assert!(!shown.contains(WRONG), "the password is shown: {shown}");
        }
    }
}

#[test]
fn an_unknown_authority_is_refused() {
    let Some(secured) = Secured::get("kafka: an unknown CA") else { return };
    let mut config = secured.config(Protocol::Ssl);
    config.security.ca_location = Some(secured.certificates.join("other.crt"));
    config.request_timeout_ms = TIMEOUT_MS;
    let (error, took, _) = refused(&config);
    assert!(matches!(error, LogError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn plain_text_to_an_encrypted_listener_says_what_to_check() {
    let Some(secured) = Secured::get("kafka: the wrong protocol") else { return };
    let mut config = secured.config(Protocol::Ssl);
    config.security = Default::default();
    config.request_timeout_ms = 3000;
    let (error, took, _) = refused(&config);
    assert!(error.to_string().contains("kafka.security.protocol"), "{error}");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_broker_that_is_down_is_named_within_the_timeout() {
    let config = KafkaConfig {
        bootstrap_servers: "127.0.0.1:1".into(),
        request_timeout_ms: 5000,
        ..KafkaConfig::default()
    };
    let (error, took, _) = refused(&config);
    assert!(matches!(error, LogError::Unreachable { .. }) && error.is_retriable(), "{error}");
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.to_lowercase().contains("refused"), "{text}");
    assert!((Duration::from_millis(4900)..SOON).contains(&took), "{took:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let mut config = KafkaConfig { bootstrap_servers: "127.0.0.1:1".into(), ..KafkaConfig::default() };
    config.security.protocol = Protocol::Ssl;
    config.security.ca_location = Some("/nowhere/ca.pem".into());
    let (error, ..) = refused(&config);
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
