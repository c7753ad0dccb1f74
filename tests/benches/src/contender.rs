//! Who is compared, and one running process of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::Error;
use crate::back_end::{BackEnd, Call, SOURCE, START, TABLE};
use crate::process::Observed;
use crate::stand::{Invocation, Stand};
use crate::wire::Authority;

/// A contender, as `cargo infra bench` has built it.
#[derive(Debug, Clone, Deserialize)]
pub struct Contender {
    /// Which one.
    pub kind: Kind,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs, as in `LAMBDA_TASK_ROOT`.
    pub folder: PathBuf,
    /// Bytes of what is in the zip, unpacked.
    pub unpacked: u64,
    /// Bytes of the zip.
    pub zip: u64,
    /// Bytes of a zip that has everything in it, if the other relies on what Lambda has.
    pub zip_with_all: Option<u64>,
}

/// The contenders there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Function `participant-published`.
    Ours,
    /// Python with boto3.
    Python,
    /// Node.js with the AWS SDK, bundled.
    Node,
    /// Rust that does nothing.
    Floor,
}

impl Kind {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Python, Self::Node, Self::Floor];

    /// What people would use instead of ours.
    pub const PEERS: [Self; 2] = [Self::Python, Self::Node];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Python => "python",
            Self::Node => "node",
            Self::Floor => "floor",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Floor => "floor",
        }
    }

    /// The calls of one event, which are its whole job: a contender that makes others, or fewer, is not measured.
    pub fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Ours => &["Query", "TransactWriteItems", START, "TransactWriteItems"],
            Self::Python | Self::Node => &["Query", START, "PutItem"],
            Self::Floor => &[],
        }
    }

    /// The variable that names the authorities to trust, and whether these are then all that it trusts.
    fn trust(self) -> (&'static str, bool) {
        match self {
            Self::Ours | Self::Floor => ("SSL_CERT_FILE", true),
            Self::Python => ("AWS_CA_BUNDLE", true),
            // Node.js has the public ones in its program.
            Self::Node => ("NODE_EXTRA_CA_CERTS", false),
        }
    }
}

/// The files that make contenders trust the back ends.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The run's own authority.
    pub alone: PathBuf,
    /// The same with all public ones.
    pub bundle: PathBuf,
}

/// What the contenders run on.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// How long the back ends take for an answer.
    pub delay: Duration,
    /// Whose certificates they have, if they speak TLS.
    pub authority: Option<&'a Authority>,
    /// What contenders are told to trust, whether they need it or not.
    pub trust: &'a Trust,
    /// Where their output goes.
    pub logs: &'a Path,
}

/// A running contender.
pub struct Running {
    kind: Kind,
    stand: Stand,
    back_end: BackEnd,
    process: Child,
    observed: Observed,
    events: u64,
}

impl Running {
    /// Starts it, and waits until it polls: gives how long that took.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn start(
        contender: &Contender,
        surroundings: Surroundings<'_>,
        wrapper: &[String],
    ) -> Result<(Self, Duration), Error> {
        let kind = contender.kind;
        let (stand, back_end) =
            (Stand::start().await?, BackEnd::start(surroundings.delay, surroundings.authority).await?);
        let mut words = wrapper.iter().chain(&contender.command);
        let program = words.next().ok_or_else(|| wrong(kind, "it has no command".to_owned()))?;
        let mut command = Command::new(program);
        command.args(words).current_dir(&contender.folder).kill_on_drop(true).stdin(Stdio::null());
        environment(&mut command, contender, &stand, &back_end, surroundings.trust);
        let path = surroundings.logs.join(format!("{}.log", kind.name()));
        let log = File::create(&path).map_err(Error::io(format!("make {}", path.display())))?;
        let errors = log.try_clone().map_err(Error::io(format!("open {}", path.display())))?;
        command.stdout(log).stderr(errors);
        let began = Instant::now();
        let process = command.spawn().map_err(Error::io(format!("run {program}")))?;
        let observed = Observed::new(process.id().unwrap_or_default());
        let mut running = Self { kind, stand, back_end, process, observed, events: 0 };
        let polled = running.polled().await?;
        running.back_end.take();
        Ok((running, polled - began))
    }

    /// Which one.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Gives it an event of a participant that was never there before, and waits until it polls again. Gives the calls that it made.
    ///
    /// # Errors
    /// When it fails, or does something else than its job.
    pub async fn handle(&mut self) -> Result<(Invocation, Vec<Call>), Error> {
        self.events += 1;
        let event = published(self.kind, self.events);
        let handled = tokio::select! {
            handled = self.stand.invoke(&event) => handled,
            ended = self.process.wait() => Err(format!("it ended: {ended:?}")),
        };
        let invocation = handled.map_err(|problem| wrong(self.kind, problem))?;
        self.polled().await?;
        let calls = self.back_end.take();
        self.check(&calls)?;
        Ok((invocation, calls))
    }

    /// The time it had on a processor so far.
    ///
    /// # Errors
    /// When it runs no more.
    pub fn cpu(&self) -> Result<Duration, Error> {
        self.observed.cpu()
    }

    /// The most memory it had at once, in KiB. It has no processes of its own, which would have some more.
    ///
    /// # Errors
    /// When it runs no more, or has.
    pub fn peak_kib(&self) -> Result<u64, Error> {
        match self.observed.children()? {
            0 => self.observed.peak_kib(),
            children => {
                Err(wrong(self.kind, format!("it has {children} processes, and only it is measured")))
            }
        }
    }

    /// Ends it as an operator would, and waits until it is over.
    ///
    /// # Errors
    /// When it cannot be asked to end.
    pub async fn end(mut self) -> Result<(), Error> {
        let id = i32::try_from(self.process.id().unwrap_or_default()).unwrap_or_default();
        let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGTERM);
        asked.map_err(|errno| Error::io(format!("end process {id}"))(errno.into()))?;
        self.process.wait().await.map_err(Error::io(format!("wait for process {id}")))?;
        Ok(())
    }

    async fn polled(&mut self) -> Result<Instant, Error> {
        let polled = tokio::select! {
            polled = self.stand.polled() => polled,
            ended = self.process.wait() => Err(format!("it ended: {ended:?}")),
        };
        polled.map_err(|problem| wrong(self.kind, problem))
    }

    fn check(&self, calls: &[Call]) -> Result<(), Error> {
        let made: Vec<&str> =
            calls.iter().filter(|call| !call.is_refresh()).map(|call| call.operation.as_str()).collect();
        if made == self.kind.calls() {
            return Ok(());
        }
        Err(wrong(self.kind, format!("its calls were {made:?}, and its job is {:?}", self.kind.calls())))
    }
}

fn wrong(kind: Kind, problem: String) -> Error {
    let log = "; its log is in target/bench/logs";
    Error::Contender { contender: kind.title().to_owned(), problem: problem + log }
}

/// What Lambda sets, and where the back ends are. Nothing else is inherited.
fn environment(
    command: &mut Command,
    contender: &Contender,
    stand: &Stand,
    back_end: &BackEnd,
    trust: &Trust,
) {
    let memory = crate::cost::MEMORY_MIB.to_string();
    let (variable, all) = contender.kind.trust();
    let trusted = if all { &trust.bundle } else { &trust.alone };
    command.env_clear().env(variable, trusted).env("LAMBDA_TASK_ROOT", &contender.folder);
    command.env("AWS_LAMBDA_RUNTIME_API", stand.address());
    command.env("AWS_ENDPOINT_URL_DYNAMODB", back_end.dynamodb.url());
    command.env("AWS_ENDPOINT_URL_IVS_REALTIME", back_end.ivs.url());
    command.envs([
        ("AWS_LAMBDA_FUNCTION_NAME", "benches"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/benches"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/23/[$LATEST]0123456789abcdef"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "a-session-token"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("_HANDLER", "handler.handler"),
        ("TABLE_NAME", TABLE),
        ("TZ", ":UTC"),
    ]);
}

/// What EventBridge brings when somebody who was never there before begins to publish.
fn published(kind: Kind, number: u64) -> Value {
    let now = jiff::Timestamp::now();
    let id = format!("{}{number:08}", kind.name());
    json!({
        "version": "0",
        "id": format!("db65fc17-1612-ef68-3aad-{:012x}", now.as_microsecond() & 0xffff_ffff_ffff),
        "detail-type": "IVS Stage Update",
        "source": "aws.ivs",
        "account": "123456789012",
        "time": format!("{now:.0}"),
        "region": "us-east-1",
        "resources": [SOURCE],
        "detail": {
            "session_id": "st-1CVugbu2cf2n8",
            "event_name": "Participant Published",
            "event_time": format!("{now:.0}"),
            "event_time_precise": format!("{now:.6}"),
            "user_id": "",
            "participant_id": id
        }
    })
}
