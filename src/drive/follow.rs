//! A process that joins another: plays its share, and says what it found.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::interval;

use crate::clock;

use super::check::ledger::Ledger;
use super::crowd::Crowd;
use super::engine::{Donation, Phase, Process, Setting, Shared, Workers};
use super::peers::{Done, Plan, Said, Told, Wire};
use super::run::{DriveError, room, setting};
use super::scenario::Scenario;
use super::{summary, watch};

/// How often it says how it stands.
const EVERY: Duration = Duration::from_millis(200);

/// Joins the process that leads at `address` and plays what it says, from these local addresses; `say` hears how it goes.
///
/// # Errors
///
/// There is nobody, the plan can't be played here, or the one that leads is gone.
pub async fn follow(address: &str, sources: &[IpAddr], say: impl Fn(&str)) -> Result<(), DriveError> {
    let lost = |error: String| DriveError::Unreachable(format!("{address}: {error}"));
    let stream = TcpStream::connect(address).await.map_err(|error| lost(error.to_string()))?;
    // Each word counts, and each is small.
    stream.set_nodelay(true).map_err(|error| lost(error.to_string()))?;
    let mut wire = Wire::new(stream);
    wire.say(&Said::Hello(env!("CARGO_PKG_VERSION").to_owned())).await.map_err(lost)?;
    let Told::Plan(plan) = wire.hear().await.map_err(lost)? else { return Err(lost("no plan".to_owned())) };
    let before = watch::own();
    let prepared = match Prepared::new(*plan) {
        Ok(prepared) => prepared,
        Err(error) => {
            // The one that leads says it, too.
            let _ = wire.say(&Said::Failed(error.to_string())).await;
            return Err(error);
        }
    };
    say(&format!("playing {} as process {}", prepared.scenario.name, prepared.process.index));
    wire.say(&Said::Ready).await.map_err(lost)?;
    let begin = loop {
        match wire.hear().await.map_err(lost)? {
            Told::Look => wire.say(&Said::Here).await.map_err(lost)?,
            Told::Start(micros) => break clock::instant() + Duration::from_micros(micros),
            _ => return Err(lost("an unexpected word".to_owned())),
        }
    };
    let (donations, _nobody) = mpsc::channel(1);
    let shared = Arc::new(Shared::new(prepared.setting(sources, donations)?, begin));
    let workers = Workers::start(&shared, prepared.process).map_err(|error| DriveError::System(error.to_string()))?;
    let ended = play(&mut wire, &shared, before).await;
    shared.enter(Phase::Leave);
    workers.join(&shared);
    let whole = ended.map_err(lost)?;
    let done = summarise(&shared, before, whole);
    wire.say(&Said::Done(Box::new(done))).await.map_err(lost)?;
    say("done: the report is the other process's");
    Ok(())
}

struct Prepared {
    scenario: Arc<Scenario>,
    crowd: Arc<Crowd>,
    process: Process,
    plan: Plan,
}

impl Prepared {
    fn new(plan: Plan) -> Result<Self, DriveError> {
        let mut scenario = Scenario::read(&plan.scenario).map_err(DriveError::Order)?;
        scenario.seed = plan.seed;
        let process = Process { index: plan.process, of: plan.processes, threads: plan.threads };
        room(&scenario, process)?;
        let scenario = Arc::new(scenario);
        let crowd = Arc::new(Crowd::draw(&scenario, &format!("load{}", plan.run)));
        Ok(Self { scenario, crowd, process, plan })
    }

    fn setting(&self, sources: &[IpAddr], donations: mpsc::Sender<Donation>) -> Result<Setting, DriveError> {
        let tokens: HashMap<u32, Arc<str>> =
            self.plan.tokens.iter().map(|(who, token)| (*who, token.as_str().into())).collect();
        let who = (self.scenario.clone(), self.crowd.clone());
        setting(who, &self.plan.url, &self.plan.run, sources, tokens, donations)
    }
}

/// Does as it is told until it is told to leave. Whether the script came to its end.
async fn play(wire: &mut Wire, shared: &Shared, before: watch::Cost) -> Result<bool, String> {
    let mut ticks = interval(EVERY);
    let mut cost = before;
    let (mut judging, mut whole) = (false, false);
    loop {
        tokio::select! {
            told = wire.hear() => match told? {
                Told::Settle => shared.enter(Phase::Settle),
                Told::Rest(last_words) => {
                    whole = true;
                    *shared.last_words.lock() = last_words;
                    shared.enter(Phase::Rest);
                }
                Told::Judge { at_rest, others } => {
                    for (here, others) in shared.others.iter().zip(others) {
                        here.store(others, Ordering::Relaxed);
                    }
                    shared.at_rest.store(at_rest, Ordering::Release);
                    shared.enter(Phase::Judge);
                    judging = true;
                }
                Told::Leave => return Ok(whole),
                Told::Look => wire.say(&Said::Here).await?,
                Told::Plan(_) | Told::Start(_) => return Err("an unexpected word".to_owned()),
            },
            _ = ticks.tick() => {
                let parts: Vec<_> = shared.parts.lock().drain(..).collect();
                let now = watch::own();
                wire.say(&Said::Second { parts, cpu: now.cpu - cost.cpu, memory: now.memory }).await?;
                cost = now;
                let open = shared.open();
                let joined = shared.joined.iter().map(|joined| joined.load(Ordering::Relaxed)).collect();
                wire.say(&Said::Standing { open, joined }).await?;
                if judging && shared.all_judged() {
                    wire.say(&Said::Judged).await?;
                    judging = false;
                }
            }
        }
    }
}

fn summarise(shared: &Shared, before: watch::Cost, whole: bool) -> Done {
    summary::audit(shared, !whole);
    let after = watch::own();
    Done {
        parts: shared.parts.lock().drain(..).collect(),
        checks: shared.findings.checks(),
        closes: summary::closes(shared),
        refusals: summary::refusals(shared),
        troubles: shared.troubles.lock().clone(),
        orders: shared.ledgers.iter().map(Ledger::order).collect(),
        cpu: after.cpu - before.cpu,
        memory: (before.memory, after.memory),
    }
}
