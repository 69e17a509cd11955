//! The process that leads: gathers the others, tells them what to do, adds up what they say.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::clock;
use crate::drive::engine::Shared;

use super::{Done, Plan, Said, Told, Wire};

/// How long each word of another process may take while it is prepared.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long another process may take to tell what it has found.
const FAREWELL: Duration = Duration::from_secs(20);

/// Looks by which the way to another process is measured.
const LOOKS: u32 = 9;

/// Words that wait for another process.
const WORDS: usize = 64;

/// The other processes.
#[derive(Debug, Default)]
pub(in crate::drive) struct Peers(Vec<Peer>);

#[derive(Debug)]
struct Peer {
    words: mpsc::Sender<Told>,
    standing: Arc<Mutex<Standing>>,
    reading: JoinHandle<Option<Done>>,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    open: u64,
    joined: Vec<u32>,
    judged: bool,
    gone: bool,
    cpu: f64,
    memory: u64,
}

/// Other processes that have a plan and wait for the beginning.
pub(in crate::drive) struct Waiting(Vec<(Wire, Duration)>);

impl Waiting {
    /// Waits for so many others, and gives each its plan. `say` tells people what is waited for.
    pub(in crate::drive) async fn gather(
        listen: &str,
        many: u32,
        plan: impl Fn(u32) -> Plan,
        say: impl Fn(&str),
    ) -> Result<Self, String> {
        let mut ready = Vec::new();
        if many == 0 {
            return Ok(Self(ready));
        }
        let listener = TcpListener::bind(listen).await.map_err(|error| format!("--peers-listen {listen}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let mut process = 1;
        while process <= many {
            say(&format!("waiting for process {process} of {many}: madang drive load --join {address}"));
            let (stream, from) = listener.accept().await.map_err(|error| error.to_string())?;
            let preparing = prepare(Wire::new(stream), plan(process));
            match timeout(PATIENCE, preparing).await.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(peer) => {
                    ready.push(peer);
                    process += 1;
                }
                // Whoever came by mistake doesn't spoil it for the others.
                Err(error) => say(&format!("{from} can't play: {error}")),
            }
        }
        Ok(Self(ready))
    }

    /// All begin at the same time.
    pub(in crate::drive) async fn start(self, shared: &Arc<Shared>) -> Result<Peers, String> {
        let mut peers = Vec::new();
        for (mut wire, away) in self.0 {
            let left = shared.begun.saturating_duration_since(clock::instant()).saturating_sub(away);
            wire.say(&Told::Start(u64::try_from(left.as_micros()).unwrap_or(u64::MAX))).await?;
            let (words, heard) = mpsc::channel(WORDS);
            let standing = Arc::new(Mutex::new(Standing::default()));
            let reading = tokio::spawn(lead(wire, heard, shared.clone(), standing.clone()));
            peers.push(Peer { words, standing, reading });
        }
        Ok(Peers(peers))
    }
}

/// Gives a plan, and measures the way: half of the shortest time to there and back.
async fn prepare(mut wire: Wire, plan: Plan) -> Result<(Wire, Duration), String> {
    match wire.hear().await? {
        Said::Hello(version) if version == env!("CARGO_PKG_VERSION") => {}
        Said::Hello(version) => return Err(format!("it is madang {version}, this is {}", env!("CARGO_PKG_VERSION"))),
        other => return Err(format!("an unexpected word: {other:?}")),
    }
    wire.say(&Told::Plan(Box::new(plan))).await?;
    match wire.hear().await? {
        Said::Ready => {}
        Said::Failed(why) => return Err(why),
        other => return Err(format!("an unexpected word: {other:?}")),
    }
    let mut away = Duration::MAX;
    for _ in 0..LOOKS {
        let begun = clock::instant();
        wire.say(&Told::Look).await?;
        let Said::Here = wire.hear().await? else { return Err("no answer to a look".to_owned()) };
        away = away.min((clock::instant() - begun) / 2);
    }
    Ok((wire, away))
}

/// Carries words to another process, and takes in what it says.
async fn lead(
    mut wire: Wire,
    mut words: mpsc::Receiver<Told>,
    shared: Arc<Shared>,
    standing: Arc<Mutex<Standing>>,
) -> Option<Done> {
    loop {
        tokio::select! {
            Some(word) = words.recv() => {
                if wire.say(&word).await.is_err() {
                    break;
                }
            }
            said = wire.hear() => match said {
                Ok(Said::Second { parts, cpu, memory }) => {
                    shared.parts.lock().extend(parts);
                    let mut standing = standing.lock();
                    standing.cpu += cpu;
                    standing.memory = memory;
                }
                Ok(Said::Standing { open, joined }) => {
                    let mut standing = standing.lock();
                    (standing.open, standing.joined) = (open, joined);
                }
                Ok(Said::Judged) => standing.lock().judged = true,
                Ok(Said::Done(done)) => return Some(*done),
                Ok(_) => {}
                Err(_) => break,
            },
        }
    }
    let mut standing = standing.lock();
    *standing = Standing { gone: true, cpu: standing.cpu, ..Standing::default() };
    shared.trouble("a process that had joined is gone: what its viewers did and heard is lost");
    None
}

impl Peers {
    /// Whether there are any.
    pub(in crate::drive) fn are_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// Nothing more is done.
    pub(in crate::drive) async fn settle(&self) {
        self.tell(|| Told::Settle).await;
    }

    /// The last word is said.
    pub(in crate::drive) async fn rest(&self, last_words: &[(Option<u32>, u32)]) {
        self.tell(|| Told::Rest(last_words.to_vec())).await;
    }

    /// What everybody has at the end is looked at; returns when all have. `joined` are this process's own, by channel.
    pub(in crate::drive) async fn judge(&self, at_rest: bool, joined: &[u32]) {
        for (index, peer) in self.0.iter().enumerate() {
            let mut others = joined.to_vec();
            add(&mut others, &self.joined_but(Some(index), joined.len()));
            // One that is gone hears nothing.
            let _ = peer.words.send(Told::Judge { at_rest, others }).await;
        }
        let patience = clock::instant() + FAREWELL;
        while !self.all(|standing| standing.judged || standing.gone) && clock::instant() < patience {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everybody leaves; what each has found.
    pub(in crate::drive) async fn leave(self) -> Vec<Option<Done>> {
        self.tell(|| Told::Leave).await;
        let mut done = Vec::new();
        let patience: Instant = clock::instant() + FAREWELL;
        for peer in self.0 {
            let left = patience.saturating_duration_since(clock::instant());
            done.push(timeout(left, peer.reading).await.ok().and_then(Result::ok).flatten());
        }
        done
    }

    /// Whether one of them is gone before its time.
    pub(in crate::drive) fn any_gone(&self) -> bool {
        self.0.iter().any(|peer| peer.standing.lock().gone)
    }

    /// Lines that wait for their answers.
    pub(in crate::drive) fn open(&self) -> u64 {
        self.0.iter().map(|peer| peer.standing.lock().open).sum()
    }

    /// Viewers of theirs that are joined, by channel.
    pub(in crate::drive) fn joined(&self, channels: usize) -> Vec<u32> {
        self.joined_but(None, channels)
    }

    /// Processor seconds by now, and resident memory.
    pub(in crate::drive) fn cost(&self) -> (f64, u64) {
        self.0.iter().fold((0.0, 0), |(cpu, memory), peer| {
            let standing = peer.standing.lock();
            (cpu + standing.cpu, memory + standing.memory)
        })
    }

    fn joined_but(&self, but: Option<usize>, channels: usize) -> Vec<u32> {
        let mut joined = vec![0; channels];
        for (index, peer) in self.0.iter().enumerate() {
            if Some(index) != but {
                add(&mut joined, &peer.standing.lock().joined);
            }
        }
        joined
    }

    fn all(&self, is: impl Fn(&Standing) -> bool) -> bool {
        self.0.iter().all(|peer| is(&peer.standing.lock()))
    }

    async fn tell(&self, word: impl Fn() -> Told) {
        for peer in &self.0 {
            // One that is gone hears nothing.
            let _ = peer.words.send(word()).await;
        }
    }
}

fn add(to: &mut [u32], more: &[u32]) {
    to.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}
