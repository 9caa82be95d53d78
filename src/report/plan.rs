//! The plan for people: each step with its reason, every deletion and every stop in full, windows with what they come to, one line that
//! sums up.

use chrono::TimeDelta;

use super::human::{instant, span_of};
use crate::finding::{bytes, count};
use crate::model::Mode;
use crate::plan::{Downtime, Handle, Miss, Plan, Quiet, Reason, Step, Wait, Waiting, Work};

/// The plan, without its findings.
pub fn plan_text(plan: &Plan, hints: &[String]) -> String {
    let mut out = String::new();
    if !plan.only.is_empty() {
        let names: Vec<String> = plan.only.iter().map(|n| format!("policy.{n}")).collect();
        out.push_str(&format!("Restricted to {}: nothing else was looked at, and nothing is swept.\n\n", names.join(", ")));
    }
    if plan.steps.is_empty() {
        out.push_str(if plan.refused() { "No step can run; the findings say why.\n" } else { "No changes.\n" });
        for hint in hints {
            out.push_str(&format!("{hint}\n"));
        }
        return out + &waiting_text(&plan.waiting);
    }
    out.push_str(&format!("Plan for {} at {}\n\n", plan.instance, instant(plan.as_of)));
    let mut window: Option<&str> = None;
    for step in &plan.steps {
        let own = step.work.window();
        if let Some(name) = own.filter(|_| own != window) {
            out.push_str(&format!("  {}\n", window_text(plan, name)));
        }
        window = own;
        let margin = if window.is_some() { "    " } else { "  " };
        out.push_str(&format!("{margin}{}\n", work_text(&step.work)));
        for line in reason_text(step) {
            out.push_str(&format!("{margin}      {line}\n"));
        }
    }
    out.push_str(&format!("\n{}\n", summary(plan)));
    if let Some(until) = plan.valid_until {
        out.push_str(&format!("Without other changes it stays like this until {}.\n", instant(until)));
    }
    out + &waiting_text(&plan.waiting)
}

/// What would go and stays for now: locked by its store, each with its date, or left to a janitor.
fn waiting_text(waiting: &[Waiting]) -> String {
    let mut out = String::new();
    let what = |one: &Waiting| match (&one.policy, &one.id) {
        (Some(policy), Some(id)) => format!("policy.{policy} {id} of {} on {}", instant(id.start()), one.store),
        _ => format!("what interrupted runs left on {}", one.store),
    };
    let locked = waiting.iter().filter_map(|one| if let Wait::Locked { until } = &one.reason { Some((one, until)) } else { None });
    for (number, (one, until)) in locked.enumerate() {
        out.push_str(if number == 0 { "\nNo rule keeps these, and their store does not give them up yet:\n" } else { "" });
        out.push_str(&format!("  = locked   {}  {}\n      until {}\n", what(one), bytes(one.bytes), instant(*until)));
    }
    for (number, one) in waiting.iter().filter(|one| one.reason == Wait::Janitor {}).enumerate() {
        out.push_str(if number == 0 { "\nThese wait for a janitor (`apply --only-delete`, where deleting is allowed):\n" } else { "" });
        out.push_str(&format!("  = waiting  {}  {}\n", what(one), bytes(one.bytes)));
    }
    out
}

/// What a window comes to, ahead of its steps: how long it is expected to last, and how that is known.
fn window_text(plan: &Plan, name: &str) -> String {
    let steps = || plan.steps.iter().filter(|step| step.work.window() == Some(name));
    let quiet = count(steps().filter(|step| matches!(step.work, Work::Stop { .. })).count(), "service");
    let downtime = steps().find_map(|step| if let Work::Start { downtime, .. } = &step.work { downtime.as_ref() } else { None });
    let Some(Downtime { seconds, from }) = downtime else {
        return format!("Window {name}: {quiet} quiet, nobody knows how long yet: first capture");
    };
    let about = match i64::try_from(*seconds) {
        Ok(seconds) if seconds >= 120 => span_of(TimeDelta::seconds(seconds)),
        _ => format!("{seconds} s"),
    };
    let ids = from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let known = if from.len() == 1 { format!("as long as {ids} took") } else { format!("by what these took: {ids}") };
    format!("Window {name}: {quiet} quiet for about {about}, {known}")
}

/// One step's work as one line: a sign, the kind, the object, its size.
pub fn work_text(work: &Work) -> String {
    let size = |bytes_: &Option<u64>| bytes_.map_or_else(String::new, |b| format!("  about {}", bytes(b)));
    match work {
        Work::Init { store } => format!("+ init     store.{store}"),
        Work::Capture { policy, store, estimate, .. } => format!("+ capture  policy.{policy} to {store}{}", size(estimate)),
        Work::Copy { policy, id, from, store, bytes: known, .. } => {
            let what = id.map_or_else(|| "what the capture makes".to_owned(), |id| id.to_string());
            format!("+ copy     policy.{policy} {what} from {from} to {store}{}", size(known))
        }
        Work::Delete { policy, id, store, bytes: freed, .. } => {
            format!("- delete   policy.{policy} {id} of {} on {store}  {}", instant(id.start()), bytes(*freed))
        }
        Work::Recover { run, services } if services.is_empty() => format!("! recover  what run {run} left quiet"),
        Work::Recover { run, services } => format!("! recover  what run {run} left quiet: {}", services.join(", ")),
        Work::Stop { service, .. } => format!("~ stop     {}{}", service.address, handle_text(service)),
        Work::Start { service, .. } => format!("~ start    {service}"),
        Work::Sweep { store, series, keys, bytes: freed } => {
            let place = series.as_ref().map_or_else(String::new, |s| format!(" in {s}"));
            format!("- sweep    store.{store}{place}: {}  {}", count(keys.len(), "object"), bytes(*freed))
        }
    }
}

/// What is acted on, where the address alone does not say it.
fn handle_text(quiet: &Quiet) -> String {
    match &quiet.handle {
        Handle::Containers(_) if quiet.address.starts_with("container.") => String::new(),
        Handle::Containers(subjects) => format!(": {}", subjects.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ")),
        Handle::Command { quiesce, container, .. } => {
            let place = container.as_ref().map_or_else(String::new, |name| format!(" in container {name}"));
            format!(": `{}`{place}", quiesce.join(" "))
        }
    }
}

/// How something is quieted, where that is not as usual.
fn manner_text(work: &Work) -> Vec<String> {
    let Work::Stop { service, .. } = work else { return Vec::new() };
    let mut lines = Vec::new();
    let is_command = matches!(service.handle, Handle::Command { .. });
    match (service.mode, service.stop_timeout) {
        (_, Some(seconds)) if is_command => lines.push(format!("its command has {seconds} s")),
        (Mode::Pause, _) if !is_command => lines.push("paused: it is read as after a power cut, not as after a clean end".to_owned()),
        (Mode::Stop, Some(seconds)) => lines.push(format!("it has {seconds} s to end before it is killed")),
        _ => {}
    }
    lines
}

/// Why a step is in the plan, as lines.
pub fn reason_text(step: &Step) -> Vec<String> {
    let place = step.span.as_ref().map(|s| format!("  [{}:{}]", s.file, s.line)).unwrap_or_default();
    match &step.reason {
        Reason::NewStore {} => vec![format!("the store does not exist yet{place}")],
        Reason::FirstCapture {} => vec![format!("nothing was captured yet{place}")],
        Reason::Requested {} => vec![format!("asked for with --now{place}")],
        Reason::Due { slot, satisfied, missed } => {
            let last = satisfied.map_or_else(
                || "no artifact satisfies an earlier one".to_owned(),
                |s| format!("the newest one satisfied is {}", instant(s)),
            );
            let mut lines = vec![format!("its slot of {} is past; {last}{place}", instant(*slot))];
            if *missed > 0 {
                lines.push(format!(
                    "{} between them {} not made up",
                    count(*missed as usize, "slot"),
                    if *missed == 1 { "is" } else { "are" }
                ));
            }
            lines
        }
        Reason::MissingCopy {} => vec![format!("its retention keeps it there, and it is not there{place}")],
        Reason::DamagedCopy {} => vec![format!("the copy there is damaged{place}")],
        Reason::Quiet { policies } => {
            let names: Vec<String> = policies.iter().map(|n| format!("policy.{n}")).collect();
            let are = if names.len() == 1 { "is" } else { "are" };
            let mut lines = vec![format!("quiet while {} {are} captured{place}", names.join(", "))];
            lines.extend(manner_text(&step.work));
            lines
        }
        Reason::Shares { with, what } => {
            let mut lines = vec![format!("it shares its {what} with {with}, which is quieted too{place}")];
            lines.extend(manner_text(&step.work));
            lines
        }
        Reason::Wake {} => Vec::new(),
        Reason::Interrupted {} if matches!(step.work, Work::Recover { .. }) => {
            vec!["that run ended before it had woken everything; what it stopped is started, nothing else".to_owned()]
        }
        Reason::Interrupted {} => vec!["left by runs that did not end, or past its expiry".to_owned()],
        Reason::Expired { retention, misses, older, newer } => {
            let rules: Vec<String> = misses.iter().map(miss_text).collect();
            let rules = if rules.is_empty() { "no rule counts it".to_owned() } else { rules.join("; ") };
            let covered = match (older, newer) {
                (Some(older), Some(newer)) => format!("its time stays covered by {older} and {newer}"),
                (None, Some(newer)) => format!("the oldest one that stays is {newer}"),
                (Some(older), None) => format!("the newest one that stays is {older}"),
                (None, None) => "nothing else is there".to_owned(),
            };
            vec![format!("retention {retention}: {rules}{place}"), covered]
        }
    }
}

fn miss_text(miss: &Miss) -> String {
    match miss {
        Miss::Superseded { unit, by } => format!("keep_{}: {by} stands for it", unit.as_str()),
        Miss::Beyond { unit, ordinal, of } => format!("keep_{} keeps {of}, and it is number {ordinal}", unit.as_str()),
        Miss::Last { ordinal, of } => format!("keep_last keeps {of}, and it is number {ordinal}"),
        Miss::Within { since } => format!("keep_within reaches back to {}", instant(*since)),
    }
}

fn summary(plan: &Plan) -> String {
    let of = |kind: &str| plan.steps.iter().filter(|s| s.work.kind() == kind).count();
    let freed: u64 = plan.steps.iter().map(|s| if let Work::Delete { bytes, .. } = &s.work { *bytes } else { 0 }).sum();
    let mut parts = Vec::new();
    if of("init") > 0 {
        parts.push(format!("{} to make", count(of("init"), "store")));
    }
    if of("recover") > 0 {
        parts.push(format!("{} to recover", count(of("recover"), "run")));
    }
    if of("stop") > 0 {
        parts.push(format!("{} to stop", count(of("stop"), "service")));
    }
    parts.push(format!("{} to capture", of("capture")));
    parts.push(format!("{} to copy", of("copy")));
    parts.push(if of("delete") > 0 { format!("{} to delete ({})", of("delete"), bytes(freed)) } else { "0 to delete".to_owned() });
    if of("sweep") > 0 {
        parts.push(format!("{} to sweep", of("sweep")));
    }
    format!("Plan: {}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::State;
    use crate::model::id::{ArtifactId, Capture, Instant, Name, Random};
    use crate::model::{READY_TIMEOUT, Ready};
    use crate::plan::{FORMAT_VERSION, Subject};

    fn now() -> Instant {
        "2026-11-23T02:30:00Z".parse().unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn containers(names: &[&str]) -> Handle {
        let subject = |name: &&str| Subject {
            id: format!("id-{name}"),
            name: (*name).to_owned(),
            was: State::Running,
            started_at: String::new(),
            compose: None,
        };
        Handle::Containers(names.iter().map(subject).collect())
    }

    fn step(address: &str, work: Work, reason: Reason) -> Step {
        Step { address: address.to_owned(), work, reason, span: None, after: Vec::new() }
    }

    fn stop(window: &str, address: &str, handle: Handle, mode: Mode, stop_timeout: Option<u64>, reason: Reason) -> Step {
        let service = Quiet {
            address: address.to_owned(),
            handle,
            mode,
            stop_timeout,
            ready: Ready::Default,
            ready_timeout: READY_TIMEOUT,
            needs: Vec::new(),
        };
        step(&format!("stop:{address}"), Work::Stop { window: window.to_owned(), service }, reason)
    }

    fn start(window: &str, address: &str, downtime: Option<Downtime>) -> Step {
        let work = Work::Start { window: window.to_owned(), service: address.to_owned(), downtime };
        step(&format!("start:{address}"), work, Reason::Wake {})
    }

    fn capture(policy: &str, window: &str) -> Step {
        let work = Work::Capture {
            policy: name(policy),
            series: name(policy),
            store: name("local"),
            slot: None,
            estimate: None,
            window: Some(window.to_owned()),
        };
        step(&format!("capture:policy.{policy}@-"), work, Reason::Requested {})
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan {
            format_version: FORMAT_VERSION,
            instance: name("lucid"),
            manifest_sha256: String::new(),
            as_of: now(),
            facts_at: now(),
            valid_until: None,
            only: Vec::new(),
            steps,
            findings: Vec::new(),
            holdings: Vec::new(),
            waiting: Vec::new(),
            candidates: Vec::new(),
        }
    }

    #[test]
    fn windows_say_who_is_down_in_which_order_and_for_how_long() {
        let quiet = |policies: &[&str]| Reason::Quiet { policies: policies.iter().map(|p| name(p)).collect() };
        let shares = Reason::Shares { with: "service.vpn".to_owned(), what: "namespaces".to_owned() };
        let flush = Handle::Command {
            quiesce: vec!["flush".to_owned(), "on".to_owned()],
            resume: Vec::new(),
            container: Some("db-1".to_owned()),
            user: None,
        };
        let id = |n| ArtifactId::new(now(), Capture::Full, Random::new([n; 10]));
        let downtime = Some(Downtime { seconds: 75, from: vec![id(1), id(2)] });
        let steps = vec![
            step(
                "recover:run.x",
                Work::Recover { run: Random::new([3; 10]), services: vec!["service.db".to_owned()] },
                Reason::Interrupted {},
            ),
            stop("1", "container.side", containers(&["side"]), Mode::Stop, None, shares),
            stop("1", "service.flush", flush, Mode::Stop, Some(5), quiet(&["a", "b"])),
            stop("1", "service.api", containers(&["api-1", "api-2"]), Mode::Stop, Some(60), quiet(&["a", "b"])),
            capture("a", "1"),
            capture("b", "1"),
            start("1", "service.api", downtime.clone()),
            start("1", "service.flush", downtime.clone()),
            start("1", "container.side", downtime),
            stop("2", "service.web", containers(&["web"]), Mode::Pause, Some(9), quiet(&["c"])),
            capture("c", "2"),
            start("2", "service.web", None),
        ];
        let plan = plan(steps);
        insta::assert_snapshot!(plan_text(&plan, &[]), @r"
        Plan for lucid at 2026-11-23 02:30:00 UTC

          ! recover  what run ambqgaydambqgayd left quiet: service.db
                that run ended before it had woken everything; what it stopped is started, nothing else
          Window 1: 3 services quiet for about 75 s, by what these took: 20261123T023000000Z-full-aeaqcaibaeaqcaib, 20261123T023000000Z-full-aibaeaqcaibaeaqc
            ~ stop     container.side
                  it shares its namespaces with service.vpn, which is quieted too
            ~ stop     service.flush: `flush on` in container db-1
                  quiet while policy.a, policy.b are captured
                  its command has 5 s
            ~ stop     service.api: api-1, api-2
                  quiet while policy.a, policy.b are captured
                  it has 60 s to end before it is killed
            + capture  policy.a to local
                  asked for with --now
            + capture  policy.b to local
                  asked for with --now
            ~ start    service.api
            ~ start    service.flush
            ~ start    container.side
          Window 2: 1 service quiet, nobody knows how long yet: first capture
            ~ stop     service.web: web
                  quiet while policy.c is captured
                  paused: it is read as after a power cut, not as after a clean end
            + capture  policy.c to local
                  asked for with --now
            ~ start    service.web

        Plan: 1 run to recover, 4 services to stop, 3 to capture, 0 to copy, 0 to delete.
        ");
        let one = Downtime { seconds: 12, from: vec![id(1)] };
        let plan = Plan {
            steps: vec![
                stop("1", "service.web", containers(&["web"]), Mode::Stop, None, quiet(&["c"])),
                start("1", "service.web", Some(one)),
            ],
            ..plan
        };
        assert_eq!(window_text(&plan, "1"), format!("Window 1: 1 service quiet for about 12 s, as long as {} took", id(1)));
    }

    #[test]
    fn what_would_go_and_stays_is_named_with_what_it_waits_for() {
        let id = |n| ArtifactId::new(now(), Capture::Full, Random::new([n; 10]));
        let waits = |id: Option<ArtifactId>, reason| Waiting {
            address: String::new(),
            policy: id.map(|_| name("a")),
            store: name("far"),
            id,
            bytes: 2048,
            reason,
        };
        let waiting = vec![
            waits(None, Wait::Janitor {}),
            waits(Some(id(1)), Wait::Locked { until: now() + TimeDelta::days(3) }),
            waits(Some(id(2)), Wait::Janitor {}),
        ];
        insta::assert_snapshot!(plan_text(&Plan { waiting, ..plan(Vec::new()) }, &["Next: never.".to_owned()]), @r"
        No changes.
        Next: never.

        No rule keeps these, and their store does not give them up yet:
          = locked   policy.a 20261123T023000000Z-full-aeaqcaibaeaqcaib of 2026-11-23 02:30:00 UTC on far  2.0 KiB
              until 2026-11-26 02:30:00 UTC

        These wait for a janitor (`apply --only-delete`, where deleting is allowed):
          = waiting  what interrupted runs left on far  2.0 KiB
          = waiting  policy.a 20261123T023000000Z-full-aibaeaqcaibaeaqc of 2026-11-23 02:30:00 UTC on far  2.0 KiB
        ");
    }
}
