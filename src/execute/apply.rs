//! Applies a plan: makes, then copies, then removes, each stage decided again from what is listed once the stage before is done.
//!
//! What was shown is a promise in one direction: nothing is deleted that was not in it, where an approval says so. Captures and
//! copies follow the facts, at the plan's own instant, so that a slot that somebody else has satisfied meanwhile is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::candidates::Answers;
use super::error::StepError;
use super::event::{Event, StepOutcome, StepResult};
use super::holding::{Asked, Asking, Holding};
use super::lost::lost;
use super::outcome::Outcome;
use super::ports::Ports;
use super::run::Run;
use super::schedule::{self, Perform};
use super::state::{StateError, TEMPORARY};
use super::traces::{forget_swept, write_run};
use super::window::{NotOpened, Open};
use super::windows::{self, Planned};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::model::PolicySet;
use crate::model::id::{Instant, Name, Random};
use crate::plan::{Plan, Request, Step, Work, copies, decide, removals, unlocks};

/// Looks at the world again.
pub type Observe = Arc<dyn Fn() -> Facts + Send + Sync>;

/// What is to be applied, and within what bounds.
pub struct Order {
    /// The policies.
    pub set: Arc<PolicySet>,
    /// The plan that was shown.
    pub plan: Plan,
    /// What was asked of it.
    pub request: Request,
    /// If set, nothing is deleted and nothing is stopped that is not among these ([`Step::approvals`]).
    pub approved: Option<BTreeSet<String>>,
}

/// Applies a plan.
pub async fn apply(order: Order, ports: Ports, observe: Observe) -> Result<Outcome, StateError> {
    let start = ports.now();
    let run = ports.random();
    ports.say(Event::RunStarted { run: run.to_string(), at: start, steps: order.plan.steps.len() });
    let mut job = Apply {
        order,
        ports,
        observe,
        run,
        outcomes: Vec::new(),
        locked: Vec::new(),
        findings: Vec::new(),
        troubled: BTreeSet::new(),
        held: Arc::default(),
        answers: Arc::default(),
    };
    let temporary = format!("{TEMPORARY}{}", job.ports.temp_tag);
    let works = !job.order.plan.is_empty();
    if works {
        job.ports.state.take_off(&run.to_string(), &temporary)?;
    }
    let kept = job.perform().await;
    let held = std::mem::take(&mut job.held);
    off(move || drop(held)).await;
    let mut outcome = Outcome {
        run,
        start,
        end: job.ports.now(),
        steps: std::mem::take(&mut job.outcomes),
        findings: std::mem::take(&mut job.findings),
        locked: std::mem::take(&mut job.locked),
        interrupted: job.ports.cancelled(),
    };
    let kept = match kept {
        Ok(Some(facts)) => {
            let (set, ports, told) = (Arc::clone(&job.order.set), job.ports.clone(), outcome.clone());
            off(move || write_run(&set, &ports, &facts, &told)).await;
            outcome.end = job.ports.now();
            Ok(())
        }
        other => other.map(|_| ()),
    };
    if works {
        job.ports.state.land(&run.to_string(), &temporary)?;
    }
    job.ports.state.end_run(&run.to_string())?;
    kept?;
    Ok(outcome)
}

struct Apply {
    order: Order,
    ports: Ports,
    observe: Observe,
    run: Random,
    outcomes: Vec<StepOutcome>,
    locked: Vec<(String, String)>,
    findings: Vec<Finding>,
    /// Policies whose services did not come back as they were: nothing of theirs is deleted.
    troubled: BTreeSet<Name>,
    held: Arc<Holding>,
    answers: Arc<Answers>,
}

/// Does what may wait for a disk or a network in a thread where nothing else waits for it.
async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(lost) => std::panic::resume_unwind(lost.into_panic()),
    }
}

impl Apply {
    /// Runs the stages; gives the last facts if anything was done.
    async fn perform(&mut self) -> Result<Option<Facts>, StateError> {
        self.findings.clone_from(&self.order.plan.findings);
        if self.order.plan.is_empty() {
            return Ok(None);
        }
        let now = self.order.plan.as_of;
        let (inits, _): (Vec<Step>, Vec<Step>) = self.order.plan.steps.iter().cloned().partition(|s| matches!(s.work, Work::Init { .. }));
        let facts = self.look().await;
        self.stage(inits, facts).await;
        let mut request = self.order.request.clone();
        let facts = self.look().await;
        let Some(refused) = self.hold(&facts, &mut request).await? else { return Ok(None) };
        // another run may have made and removed things up to the moment at which it gave back what is ours now
        let facts = self.look().await;
        remember(&self.order.set, &self.ports, &facts, &request)?;
        let (plan, facts) = {
            let request = request.clone();
            self.informed(facts, move |set, facts| decide(set, facts, now, &request)).await
        };
        for (step, result) in lost(&self.order, &plan, &facts, now, &request) {
            self.troubled.extend(step.work.policy().cloned());
            self.end_all(&[step], &result);
        }
        self.make(plan, facts).await;
        if self.order.set.policies.values().any(|p| p.stores.len() > 1) {
            self.copy(&request, now).await;
        }
        let facts = self.look().await;
        let (plan, facts) = self.informed(facts, move |set, facts| removals(set, facts, now, &request)).await;
        let failed = self.failed_policies();
        let removed = plan.steps.into_iter().filter(|s| self.allowed(s) && !s.work.policy().is_some_and(|p| failed.contains(p)));
        self.stage(removed.collect(), facts).await;
        let facts = self.look().await;
        let last = Request { now: false, ..self.order.request.clone() };
        let (plan, facts) = self.informed(facts, move |set, facts| decide(set, facts, now, &last)).await;
        self.findings = plan.findings;
        self.findings.extend(refused);
        let (ports, set, seen) = (self.ports.clone(), Arc::clone(&self.order.set), facts.clone());
        off(move || forget_swept(&ports, &set.instance, &seen)).await?;
        Ok((!self.outcomes.is_empty()).then_some(facts))
    }

    /// Copies what is missing, and then what that makes whole beside itself; nothing is tried twice.
    async fn copy(&mut self, request: &Request, now: Instant) {
        let mut tried: BTreeSet<String> = BTreeSet::new();
        loop {
            let facts = self.look().await;
            let mut copied = copies(&self.order.set, &facts, now, request);
            copied.retain(|step| tried.insert(step.address.clone()));
            let again = unlocks(&facts, &copied);
            self.stage(copied, facts).await;
            if !again {
                break;
            }
        }
    }

    async fn look(&self) -> Facts {
        let observe = Arc::clone(&self.observe);
        off(move || observe()).await
    }

    /// The plan over facts that hold what it must know of what it would remove.
    async fn informed(&self, mut facts: Facts, decide: impl Fn(&PolicySet, &Facts) -> Plan + Send + 'static) -> (Plan, Facts) {
        let (set, stores, role) = (Arc::clone(&self.order.set), self.ports.stores.clone(), self.order.request.role);
        let answers = Arc::clone(&self.answers);
        off(move || {
            let plan = answers.inform(&set, &stores, &mut facts, role, |facts| decide(&set, facts));
            (plan, facts)
        })
        .await
    }

    async fn stage(&mut self, steps: Vec<Step>, facts: Facts) {
        if steps.is_empty() {
            return;
        }
        let run = self.run_on(self.ports.clone(), facts, None);
        self.schedule(&steps, run).await;
    }

    /// Steps of one run, and of one window if it has one.
    async fn schedule(&mut self, steps: &[Step], run: Run) {
        let failed = self.outcomes.iter().filter(|o| !matches!(o.result, StepResult::Done(_))).map(|o| o.address.clone()).collect();
        let ports = run.ports.clone();
        let run = Arc::new(run);
        let perform: Perform = Arc::new(move |step| run.perform(step).map_err(|e| super::error::chain(&e)));
        let ended = schedule::run(steps, self.order.set.run.concurrency, &ports, failed, &perform).await;
        self.outcomes.extend(ended);
    }

    /// Makes artifacts: first what needs quiet services, so that their windows are when the schedule says, then the others.
    async fn make(&mut self, plan: Plan, facts: Facts) {
        let (windows, others) = windows::of(plan.steps);
        let (captures, deletes): (Vec<Step>, Vec<Step>) = others
            .into_iter()
            .filter(|s| match &s.work {
                Work::Capture { .. } => true,
                Work::Delete { .. } => {
                    plan_puts_first(&self.order.plan, s) && self.allowed(s) && !s.work.policy().is_some_and(|p| self.troubled.contains(p))
                }
                _ => false,
            })
            .partition(|s| matches!(s.work, Work::Capture { .. }));
        self.stage(deletes, facts.clone()).await;
        for window in windows {
            self.window(window, facts.clone()).await;
        }
        self.stage(captures, facts).await;
    }

    /// One window: everything quiet, the captures, everything awake.
    async fn window(&mut self, planned: Planned, facts: Facts) {
        let captures = planned.captures.clone();
        let unapproved = planned.stops.iter().find(|stop| !self.allowed(stop)).map(|stop| stop.address.clone());
        if let Some(stop) = unapproved {
            return self.failed(&captures, &format!("`{stop}` was not approved: what runs has changed since the plan was shown"));
        }
        if self.ports.cancelled() {
            return self.not_tried(&captures, "the run was interrupted");
        }
        let prepared = self.run_on(self.ports.clone(), facts.clone(), None);
        let opened = off(move || windows::open(&prepared, &planned)).await;
        let (open, stopped) = match opened {
            Ok((open, stopped)) => (Arc::new(open), stopped),
            Err(NotOpened::Locked(holder)) => {
                for policy in captures.iter().filter_map(|step| step.work.policy()) {
                    self.leave(policy, holder.clone());
                    self.troubled.insert(policy.clone());
                }
                return;
            }
            Err(NotOpened::Failed(error)) => return self.failed(&captures, &super::error::chain(&error)),
        };
        self.outcomes.extend(stopped);
        match open.ready() {
            Ok(()) => {
                let run = self.run_on(open.ports(), facts, Some(Arc::clone(&open)));
                self.schedule(&captures, run).await;
            }
            Err(why) => match open.overdue() {
                Some(seconds) => self.failed(&captures, &StepError::Overdue { seconds }.to_string()),
                None => self.not_tried(&captures, &why),
            },
        }
        let woken = off(move || open.close()).await;
        if woken.iter().any(|o| !matches!(o.result, StepResult::Done(_))) {
            self.troubled.extend(captures.iter().filter_map(|step| step.work.policy().cloned()));
        }
        self.outcomes.extend(woken);
    }

    fn not_tried(&mut self, steps: &[Step], why: &str) {
        self.end_all(steps, &StepResult::Skipped { message: why.to_owned() });
    }

    fn failed(&mut self, steps: &[Step], why: &str) {
        self.end_all(steps, &StepResult::Failed { message: why.to_owned() });
    }

    fn end_all(&mut self, steps: &[Step], result: &StepResult) {
        for step in steps {
            let outcome = schedule::outcome(step, result.clone(), 0);
            self.ports.say(Event::StepEnded(outcome.clone()));
            self.outcomes.push(outcome);
        }
    }

    /// Takes what the plan works on. What another run holds, or no store gives, is taken out of the request; the findings about the
    /// latter, unless there is nothing left to do.
    async fn hold(&mut self, facts: &Facts, request: &mut Request) -> Result<Option<Vec<Finding>>, StateError> {
        let (set, ports) = (Arc::clone(&self.order.set), self.ports.clone());
        let asking = Asking { set, ports, run: self.run, facts: facts.clone(), request: request.clone(), purpose: "apply" };
        let Asked { holding, free, locked, refused, said } = off(move || asking.take()).await?;
        self.held = Arc::new(holding);
        for (policy, message) in said {
            self.ports.say(Event::StepWarning { address: format!("policy.{policy}"), message });
        }
        for (policy, holder) in locked {
            self.leave(&policy, holder);
        }
        self.troubled.extend(refused.iter().map(|(policy, _)| policy.clone()));
        let refused: Vec<Finding> = refused.into_iter().map(|(_, finding)| finding).collect();
        if self.locked.is_empty() && refused.is_empty() {
            return Ok(Some(refused));
        }
        if free.is_empty() {
            self.findings.extend(refused);
            return Ok(None);
        }
        request.only = free;
        Ok(Some(refused))
    }

    /// Leaves a policy to the run that holds it.
    fn leave(&mut self, policy: &Name, holder: String) {
        self.ports.say(Event::PolicyLocked { policy: policy.to_string(), holder: holder.clone() });
        self.locked.push((policy.to_string(), holder));
    }

    /// What the steps of one stage share.
    fn run_on(&self, ports: Ports, facts: Facts, window: Option<Arc<Open>>) -> Run {
        Run { set: Arc::clone(&self.order.set), ports, id: self.run, facts, window, held: Arc::clone(&self.held), floors: Mutex::default() }
    }

    fn allowed(&self, step: &Step) -> bool {
        self.order.approved.as_ref().is_none_or(|approved| step.approvals().iter().all(|what| approved.contains(what)))
    }

    fn failed_policies(&self) -> BTreeSet<Name> {
        let steps: BTreeMap<&str, &Step> = self.order.plan.steps.iter().map(|s| (s.address.as_str(), s)).collect();
        let failed = self.outcomes.iter().filter(|o| !matches!(o.result, StepResult::Done(_)));
        let failed = failed.filter_map(|o| policy_of(&o.address).or_else(|| steps.get(o.address.as_str())?.work.policy().cloned()));
        failed.chain(self.troubled.iter().cloned()).collect()
    }
}

/// Remembers the stores that are worked on, whoever made them: one that is not there the next time is away, and not new.
pub(super) fn remember(set: &PolicySet, ports: &Ports, facts: &Facts, request: &Request) -> Result<(), StateError> {
    let stores: BTreeSet<&Name> = request.selected(set).flat_map(|policy| &policy.stores).collect();
    let ready = stores.into_iter().filter_map(|name| Some((name, facts.stores.get(name)?.listing()?)));
    ready.into_iter().try_for_each(|(name, listing)| ports.state.remember_store(&set.instance, name, &listing.uuid))
}

/// The policy in an address like `copy:policy.NAME/...` or `capture:policy.NAME@...`.
fn policy_of(address: &str) -> Option<Name> {
    let rest = address.split_once(":policy.")?.1;
    rest.split(['/', '@']).next()?.parse().ok()
}

/// Whether the shown plan puts a delete before a capture, to make room for it.
fn plan_puts_first(shown: &Plan, delete: &Step) -> bool {
    shown.steps.iter().any(|s| matches!(s.work, Work::Capture { .. }) && s.after.contains(&delete.address))
}
