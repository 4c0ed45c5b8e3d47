//! `runstamp serve`: the admission server.

mod dev;
mod installation;
mod policies;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::{FalseyValueParser, RangedU64ValueParser};
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::policy_args::PolicyArgs;
use super::{Verdict, output};
use crate::builtin;
use crate::cluster::Member;
use crate::review::{Stance, answer_with};
use crate::server::{
    CertificateFiles, Config, Drain, Limits, PolicySources, Readiness, ServeError, Server, follow_certificate,
    follow_client_authorities, now,
};
use crate::telemetry::{LogFormat, Metrics, start_logging};
use crate::tls::{ClientGate, ServingIdentity, ServingPair};
use crate::watch::Pace;
use dev::DevFolder;
use installation::{InstallationArgs, take_part};

/// How long Events that wait may take after the last request. With the delay and the grace of a drain it stays below
/// the thirty seconds that Kubernetes gives a Pod.
const EVENTS_GRACE: Duration = Duration::from_secs(3);

const EXAMPLE: &str = "\
Examples:
  runstamp serve --dev
  runstamp serve --tls-cert tls.crt --tls-key tls.key --policies policies/
  runstamp serve --observe --tls-cert tls.crt --tls-key tls.key
  runstamp serve --namespace runstamp

SIGTERM drains: not ready at once, still serving for --shutdown-delay, then what is under way is finished.
Exit code 0: drained; 2: could not start, the drain dropped requests, or a second signal cut it short.";

/// Serve admission reviews
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ServeArgs {
    /// Try it out: a throwaway certificate, the starter policies, 127.0.0.1, and a request to paste
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key", "namespace"])]
    dev: bool,
    /// Decide, count and log, but change and refuse nothing
    #[arg(long, env = "RUNSTAMP_OBSERVE", value_parser = FalseyValueParser::new())]
    observe: bool,
    /// Judge everything in /mutate, for clusters that register only that webhook
    #[arg(long, env = "RUNSTAMP_MUTATE_ONLY", value_parser = FalseyValueParser::new())]
    mutate_only: bool,
    #[command(flatten)]
    policies: PolicyArgs,
    #[command(flatten)]
    installation: InstallationArgs,
    /// Serving certificate with its chain (PEM); read again when it changes
    #[arg(long, value_name = "FILE", env = "RUNSTAMP_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", env = "RUNSTAMP_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Address for the API server [default: 0.0.0.0:8443; with --dev 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS", env = "RUNSTAMP_LISTEN")]
    listen: Option<SocketAddr>,
    /// Address for probes and metrics, without TLS [default: 0.0.0.0:8080; with --dev 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "RUNSTAMP_LISTEN_PLAIN")]
    listen_plain: Option<SocketAddr>,
    /// Largest request body
    #[arg(long, value_name = "BYTES", env = "RUNSTAMP_MAX_BODY_BYTES", default_value_t = Limits::default().max_body_bytes, value_parser = at_least_one())]
    max_body_bytes: usize,
    /// Longest time that a body may take to arrive
    #[arg(long, value_name = "DURATION", env = "RUNSTAMP_BODY_TIME_LIMIT", default_value = "5s", value_parser = duration)]
    body_time_limit: Duration,
    /// Requests at once; one more is answered with 503 immediately
    #[arg(long, value_name = "NUMBER", env = "RUNSTAMP_MAX_IN_FLIGHT", default_value_t = Limits::default().max_in_flight, value_parser = at_least_one())]
    max_in_flight: usize,
    /// Bytes of all bodies at once; one that does not fit is answered with 503 immediately
    #[arg(long, value_name = "BYTES", env = "RUNSTAMP_MAX_BUFFERED_BYTES", default_value_t = Limits::default().max_buffered_bytes, value_parser = at_least_one())]
    max_buffered_bytes: usize,
    /// Connections at once, on each port; one more is closed immediately
    #[arg(long, value_name = "NUMBER", env = "RUNSTAMP_MAX_CONNECTIONS", default_value_t = Limits::default().max_connections, value_parser = at_least_one())]
    max_connections: usize,
    /// How long connections are accepted after SIGTERM [default: 5s; with --dev 0s]
    #[arg(long, value_name = "DURATION", env = "RUNSTAMP_SHUTDOWN_DELAY", value_parser = duration)]
    shutdown_delay: Option<Duration>,
    /// Require client certificates of these authorities (PEM); read again when they change
    #[arg(long, value_name = "FILE", env = "RUNSTAMP_CLIENT_CA")]
    client_ca: Option<PathBuf>,
    /// Common name or DNS name that the client's certificate must carry; may be given several times
    #[arg(long, value_name = "NAME", env = "RUNSTAMP_CLIENT_NAME", requires = "client_ca")]
    client_name: Vec<String>,
    /// Form of the log
    #[arg(long, value_enum, env = "RUNSTAMP_LOG_FORMAT", default_value = "text")]
    log_format: LogFormatArg,
    /// How much is logged: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "RUNSTAMP_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormatArg {
    Text,
    Json,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

/// Serves until a signal comes.
pub(super) fn run(arguments: &ServeArgs) -> anyhow::Result<Verdict> {
    start_logging(arguments.log_format.into(), &arguments.log_level).context("--log-level")?;
    log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let verdict = runtime.block_on(serve(arguments));
    // Whoever has asked twice waits for no thread that still judges.
    runtime.shutdown_background();
    verdict
}

/// Threads that serve. One answers tens of thousands of requests a second; on a large machine more of them would only
/// take memory and wake each other.
fn workers() -> usize {
    const MOST: usize = 4;
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST))
}

async fn serve(arguments: &ServeArgs) -> anyhow::Result<Verdict> {
    // From here on a signal is a wish to end, also before anything listens.
    let signals = Signals::new().context("failed to listen for signals")?;
    let metrics = Arc::new(Metrics::new());
    let sources = arguments.sources();
    let policies = Arc::new(policies::open(&sources, arguments.installation.is_given(), &metrics)?);
    let (identity, dev) = arguments.identity()?;
    let gate = arguments.gate()?;
    let readiness = Arc::new(Readiness::default());
    let mut member = match arguments.installation.installation() {
        Some(installation) => Some(Member::join(installation, &readiness).await?),
        None => None,
    };
    // Whoever only observes refuses nothing.
    let (refusals, events) = member
        .as_ref()
        .filter(|_| !arguments.observe)
        .map(|member| member.write_events(&metrics))
        .unzip();
    let live = policies::follow(member.as_ref(), &sources, &policies, &readiness);
    let config = Config {
        listen: arguments.address(arguments.listen, 8443),
        listen_plain: arguments.address(arguments.listen_plain, 8080),
        limits: Limits {
            max_body_bytes: arguments.max_body_bytes,
            body_time_limit: arguments.body_time_limit,
            max_in_flight: arguments.max_in_flight,
            max_buffered_bytes: arguments.max_buffered_bytes,
            max_connections: arguments.max_connections,
        },
        drain: arguments.drain(),
        stance: Stance {
            observe: arguments.observe,
            mutate_only: arguments.mutate_only,
        },
        answer: answer_with,
        policies: Arc::clone(&policies),
        policy_edits: live.edits,
        identity: Arc::clone(&identity),
        gate: gate.clone(),
        refusals,
        metrics: Arc::clone(&metrics),
        readiness: Arc::clone(&readiness),
        namespaces: member.as_ref().map(|_| Arc::default()),
    };
    let server = arguments.bind(&config)?;
    tracing::info!(
        policy_set = policies.status().digest,
        observe = arguments.observe,
        "serving"
    );
    announce(&server, dev.as_ref())?;

    if let Some(member) = &mut member {
        take_part(member, &arguments.installation, arguments.tls_cert.is_none(), &config);
    }
    let pace = Pace::default();
    tokio::spawn(live.following);
    if let (Some(certificate), Some(key)) = (arguments.tls_cert.clone(), arguments.tls_key.clone()) {
        let files = CertificateFiles { certificate, key };
        tokio::spawn(follow_certificate(identity, files, Arc::clone(&metrics), pace));
    }
    if let (Some(gate), Some(file)) = (gate, arguments.client_ca.clone()) {
        tokio::spawn(follow_client_authorities(gate, file, metrics, pace));
    }
    let (first, second) = signals.in_turn();
    let ending = async {
        let all_answered = server.serve(first).await;
        if let Some(events) = events {
            events.finish(EVENTS_GRACE).await;
        }
        if let Some(member) = member {
            member.leave().await;
        }
        verdict_of_drain(all_answered)
    };
    tokio::select! {
        verdict = ending => verdict,
        () = second => bail!("a second signal: ended at once, and whatever was under way is lost"),
    }
}

/// Whoever waits for the end must be able to tell a drain that lost something from one that did not.
fn verdict_of_drain(all_answered: bool) -> anyhow::Result<Verdict> {
    if all_answered {
        return Ok(Verdict::Fine);
    }
    bail!(
        "expected every request to be answered within {:?} of the drain, but some were dropped; the callers see broken connections",
        Drain::default().grace
    )
}

impl ServeArgs {
    fn sources(&self) -> PolicySources {
        let mut embedded = self.policies.embedded();
        if self.dev {
            embedded.extend(builtin::starter());
        }
        PolicySources {
            embedded,
            paths: self.policies.paths().to_vec(),
        }
    }

    fn identity(&self) -> anyhow::Result<(Arc<ServingIdentity>, Option<DevFolder>)> {
        if self.dev {
            let (folder, pair) = DevFolder::create(now())?;
            return Ok((Arc::new(ServingIdentity::new(pair)), Some(folder)));
        }
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => ServingIdentity::new(ServingPair::from_files(certificate, key)?),
            _ if self.installation.is_given() => ServingIdentity::empty(),
            _ => bail!(
                "serve needs --namespace NAME in a cluster, or --tls-cert FILE and --tls-key FILE, which runstamp certs generate makes, or --dev to try it out"
            ),
        };
        Ok((Arc::new(identity), None))
    }

    fn gate(&self) -> anyhow::Result<Option<Arc<ClientGate>>> {
        let Some(file) = &self.client_ca else { return Ok(None) };
        let gate = ClientGate::from_file(file, self.client_name.clone())?;
        Ok(Some(Arc::new(gate)))
    }

    fn drain(&self) -> Drain {
        let mut drain = Drain::default();
        if let Some(delay) = self.shutdown_delay {
            drain.delay = delay;
        } else if self.dev {
            // Nobody waits for a replica to leave a list.
            drain.delay = Duration::ZERO;
        }
        drain
    }

    fn address(&self, given: Option<SocketAddr>, port: u16) -> SocketAddr {
        given.unwrap_or_else(|| {
            let host = if self.dev {
                Ipv4Addr::LOCALHOST
            } else {
                Ipv4Addr::UNSPECIFIED
            };
            SocketAddr::new(IpAddr::V4(host), port)
        })
    }

    /// Listens; with `--dev` a default port that is taken gives way to a free one, so that trying Runstamp out always
    /// works. An address that somebody asked for does not.
    fn bind(&self, config: &Config) -> anyhow::Result<Server> {
        let mut config = config.clone();
        loop {
            let (flag, source) = match Server::bind(config.clone()) {
                Ok(server) => return Ok(server),
                Err(ServeError::Listen { flag, source, address }) => {
                    (flag, ServeError::Listen { flag, source, address })
                }
                Err(error) => return Err(error.into()),
            };
            let ServeError::Listen { source: reason, .. } = &source else {
                return Err(source.into());
            };
            let (given, address) = match flag {
                "--listen" => (self.listen, &mut config.listen),
                _ => (self.listen_plain, &mut config.listen_plain),
            };
            let may_move = self.dev && given.is_none() && address.port() != 0;
            if !may_move || reason.kind() != ErrorKind::AddrInUse {
                return Err(source.into());
            }
            tracing::warn!(taken = %address, "the port is taken, another one is used");
            address.set_port(0);
        }
    }
}

/// Says on stdout where the server listens: the two lines are a contract with scripts.
fn announce(server: &Server, dev: Option<&DevFolder>) -> anyhow::Result<()> {
    let mut text = format!(
        "serving https://{}\nprobes http://{}\n",
        server.address(),
        server.plain_address()
    );
    if let Some(folder) = dev {
        text.push_str(&folder.help(server.address()));
    }
    output::print(&text).context("failed to print the addresses")
}

/// Signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// What waits for the first signal, and what waits for the one after it.
    fn in_turn(mut self) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        let (told, heard) = tokio::sync::oneshot::channel();
        let second = async move {
            self.next().await;
            // Nobody listens where the end has come for another reason.
            let _ = told.send(());
            self.next().await;
        };
        (async { heard.await.unwrap_or_default() }, second)
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Panics go to the log with their place and nothing else: what a panic says may hold parts of a Run.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

/// A limit of nothing would refuse every request.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Reads `5s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a duration such as 5s, 500ms or 2m, found {text:?}");
    let parsed: SignedDuration = text.parse().map_err(|_| expected())?;
    Duration::try_from(parsed).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Harness {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(arguments: &[&str]) -> ServeArgs {
        let arguments = std::iter::once("serve").chain(arguments.iter().copied());
        Harness::try_parse_from(arguments).expect("arguments that parse").serve
    }

    #[test]
    fn durations_need_a_unit() {
        #[track_caller]
        fn check(text: &str, expected: Option<u128>) {
            assert_eq!(
                duration(text).ok().map(|duration| duration.as_millis()),
                expected,
                "{text}"
            );
        }
        check("5s", Some(5_000));
        check("500ms", Some(500));
        check("2m", Some(120_000));
        check("0s", Some(0));
        check("1m30s", Some(90_000));
        check("5", None);
        check("-5s", None);
        check("", None);
        check("soon", None);
        check("99999999999999999999s", None);
        let error = duration("5").unwrap_err();
        assert_eq!(error, "expected a duration such as 5s, 500ms or 2m, found \"5\"");
    }

    #[test]
    fn development_stays_on_this_machine_and_does_not_wait() {
        let dev = parse(&["--dev"]);
        assert_eq!(dev.address(dev.listen, 8443).to_string(), "127.0.0.1:8443");
        assert_eq!(dev.drain().delay, Duration::ZERO);
        let served = parse(&["--tls-cert", "a", "--tls-key", "b"]);
        assert_eq!(served.address(served.listen, 8443).to_string(), "0.0.0.0:8443");
        assert_eq!(served.drain().delay, Duration::from_secs(5));
        let chosen = parse(&["--dev", "--listen", "[::1]:0", "--shutdown-delay", "1s"]);
        assert_eq!(chosen.address(chosen.listen, 8443).to_string(), "[::1]:0");
        assert_eq!(chosen.drain().delay, Duration::from_secs(1));
    }

    #[test]
    fn only_a_drain_without_loss_is_fine() {
        assert_eq!(verdict_of_drain(true).expect("nothing was dropped"), Verdict::Fine);
        let error = verdict_of_drain(false).expect_err("requests were dropped");
        assert!(error.to_string().contains("dropped"), "{error}");
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        #[track_caller]
        fn check(arguments: &[&str]) {
            let arguments = std::iter::once("serve").chain(arguments.iter().copied());
            let parsed = Harness::try_parse_from(arguments);
            assert!(parsed.is_err(), "{parsed:?}");
        }
        check(&["--dev", "--tls-cert", "a", "--tls-key", "b"]);
        check(&["--tls-cert", "a"]);
        check(&["--client-name", "api", "--dev"]);
        check(&["--dev", "--body-time-limit", "5"]);
        check(&["--dev", "--listen", "localhost"]);
        check(&["--dev", "--max-in-flight", "0"]);
        check(&["--dev", "--max-body-bytes", "-1"]);
    }

    #[test]
    fn without_a_certificate_the_error_says_how_to_get_one() {
        let error = parse(&[]).identity().expect_err("no certificate");
        assert_eq!(
            error.to_string(),
            "serve needs --namespace NAME in a cluster, or --tls-cert FILE and --tls-key FILE, which runstamp certs generate makes, or --dev to try it out"
        );
    }

    #[test]
    fn defaults_in_the_help_are_those_of_the_server() {
        let arguments = parse(&["--dev"]);
        assert_eq!(arguments.body_time_limit, Limits::default().body_time_limit);
        assert_eq!(parse(&[]).drain().delay, Drain::default().delay);
    }
}
