//! The plan for people: each step with its reason, every deletion in full, one line that sums up.

use super::human::{bytes, count, instant};
use crate::plan::{Miss, Plan, Reason, Step, Work};

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
        return out;
    }
    out.push_str(&format!("Plan for {} at {}\n\n", plan.instance, instant(plan.as_of)));
    for step in &plan.steps {
        out.push_str(&format!("  {}\n", work_text(&step.work)));
        for line in reason_text(step) {
            out.push_str(&format!("        {line}\n"));
        }
    }
    out.push_str(&format!("\n{}\n", summary(plan)));
    if let Some(until) = plan.valid_until {
        out.push_str(&format!("Without other changes it stays like this until {}.\n", instant(until)));
    }
    out
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
        Work::Recover { run, services } => format!("! recover  what run {run} left quiet: {}", services.join(", ")),
        Work::Stop { service, .. } => format!("~ stop     {}", service.address),
        Work::Start { service, .. } => format!("~ start    {service}"),
        Work::Sweep { store, series, keys, bytes: freed } => {
            let place = series.as_ref().map_or_else(String::new, |s| format!(" in {s}"));
            format!("- sweep    store.{store}{place}: {}  {}", count(keys.len(), "object"), bytes(*freed))
        }
    }
}

/// Why a step is in the plan, as lines.
pub fn reason_text(step: &Step) -> Vec<String> {
    let place = step.span.as_ref().map(|s| format!("  [{}:{}]", s.file, s.line)).unwrap_or_default();
    match &step.reason {
        Reason::NewStore {} => vec![format!("the store does not exist yet{place}")],
        Reason::FirstCapture {} => vec![format!("nothing exists yet{place}")],
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
            vec![format!("quiet while {} is captured{place}", names.join(", "))]
        }
        Reason::Shares { with, what } => vec![format!("it shares its {what} with {with}")],
        Reason::Wake {} => Vec::new(),
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
    parts.push(format!("{} to capture", of("capture")));
    parts.push(format!("{} to copy", of("copy")));
    parts.push(if of("delete") > 0 { format!("{} to delete ({})", of("delete"), bytes(freed)) } else { "0 to delete".to_owned() });
    if of("sweep") > 0 {
        parts.push(format!("{} to sweep", of("sweep")));
    }
    format!("Plan: {}.", parts.join(", "))
}
