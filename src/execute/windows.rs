//! The windows of a plan, and what is done before one is opened, so that nothing slow is done while services are quiet.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::StepOutcome;
use super::run::Run;
use super::sealing::Sealing;
use super::window::{NotOpened, Open, Window};
use crate::model::Period;
use crate::plan::{Step, Work};

/// One window of a plan.
pub(super) struct Planned {
    /// Its name in the plan.
    pub(super) name: String,
    /// What is quieted, dependents first.
    pub(super) stops: Vec<Step>,
    /// What is captured meanwhile.
    pub(super) captures: Vec<Step>,
}

/// Takes the windows out of a plan's steps, in their order.
pub(super) fn of(steps: Vec<Step>) -> (Vec<Planned>, Vec<Step>) {
    let mut windows: Vec<Planned> = Vec::new();
    let mut others = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        let (Work::Stop { window: name, .. } | Work::Start { window: name, .. } | Work::Capture { window: Some(name), .. }) = &step.work
        else {
            others.push(step);
            continue;
        };
        let place = *places.entry(name.clone()).or_insert_with(|| {
            windows.push(Planned { name: name.clone(), stops: Vec::new(), captures: Vec::new() });
            windows.len() - 1
        });
        match step.work {
            Work::Stop { .. } => windows[place].stops.push(step),
            Work::Capture { .. } => windows[place].captures.push(step),
            _ => {}
        }
    }
    (windows, others)
}

/// Opens a window, once the stores that it writes to are ready for it.
pub(super) fn open(run: &Run, planned: &Planned) -> Result<(Open, Vec<StepOutcome>), NotOpened> {
    for store in planned.captures.iter().filter_map(|step| step.work.store()) {
        let (name, store) = (store, run.store(store)?.as_ref());
        run.claim(store)?;
        super::manifest::keep(run, name, store)?;
    }
    for policy in planned.captures.iter().filter_map(|step| run.set.policies.get(step.work.policy()?)) {
        Sealing::to(&policy.recipients)?.check()?;
    }
    let policies = planned.captures.iter().filter_map(|step| run.set.policies.get(step.work.policy()?));
    let limit = policies.filter_map(|policy| policy.max_downtime.as_ref()).map(Period::at_most_seconds).min();
    let services = planned.stops.iter().filter_map(|step| match &step.work {
        Work::Stop { service, .. } => Some(service.clone()),
        _ => None,
    });
    let window = Window {
        run: run.id,
        name: &planned.name,
        instance: &run.set.instance,
        services: services.collect(),
        ours: false,
        limit: limit.map(Duration::from_secs),
    };
    window.open(&run.ports)
}
