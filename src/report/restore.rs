//! Restores for people: what is read, what is replaced, what became of it.

use super::human::instant;
use crate::execute::restore::{How, Pending, Phase, Planned, Recovered, RestorePlan, RestoreReason, Restored, What};
use crate::finding::{bytes, count};

/// The plan of a restore.
pub fn restore_text(plan: &RestorePlan) -> String {
    let choice = &plan.choice;
    let mut out = format!("Restore of policy.{} at {}\n\n", choice.policy, instant(plan.at));
    out.push_str(&format!("  < read     {} of {} on {}  {}\n", choice.id, instant(choice.instant), choice.store, bytes(choice.bytes)));
    for reason in plan.steps.iter().map(|s| &s.reason) {
        match reason {
            RestoreReason::Newest {} => out.push_str("        the newest that is whole\n"),
            RestoreReason::Named { id } => out.push_str(&format!("        named as {id}\n")),
            RestoreReason::At { at } => out.push_str(&format!("        the newest at or before {}\n", instant(*at))),
            RestoreReason::Replaces { .. } | RestoreReason::Absent { .. } | RestoreReason::Quiet {} | RestoreReason::Wake {} => {}
        }
    }
    if let Some(need) = choice.need {
        out.push_str(&format!("        its tree was unchanged: the bytes are those of {need}\n"));
    }
    if let Some(path) = &plan.path {
        out.push_str(&format!("        only {}\n", path.0.display()));
    }
    for service in &plan.services {
        out.push_str(&format!("  ~ stop     {}\n        once all is staged and checked\n", service.address));
    }
    match &plan.target {
        Planned::Folder { path, .. } => out.push_str(&format!("  + write    {}\n", path.display())),
        Planned::InPlace { roots } => {
            for root in roots {
                let (sign, what) = match (root.exists, root.how) {
                    (false, _) => ("+ write   ", "nothing stands there"),
                    (true, How::Children) => ("~ replace ", "a mount point: what is in it changes places and is kept until --commit"),
                    (true, How::Volume) => ("~ replace ", "a volume: what is in it changes places and is kept until --commit"),
                    (true, _) => ("~ replace ", "what stands there is kept until --commit"),
                };
                out.push_str(&format!("  {sign} {}  {}\n        {what}\n", root.path.display(), bytes(root.bytes)));
            }
        }
        Planned::Command { argv } => {
            out.push_str(&format!(
                "  > feed     {}\n        a command cannot be rolled back: the payload is checked whole before it starts\n",
                argv.join(" ")
            ));
        }
        Planned::Server { source, place, back } => {
            let what = back.only.as_deref().unwrap_or("everything");
            let name = back.aside.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
            out.push_str(&format!("  > load     {what}{name} into {source} ({place})\n"));
            let rule = if back.replace { "what it holds of that is dropped first" } else { "refused where it holds any of that" };
            out.push_str(&format!("        {rule}; the payload is checked whole before anything is written\n"));
        }
    }
    for service in plan.services.iter().rev() {
        out.push_str(&format!("  ~ start    {}\n        if it does not come back well, the old state is put back\n", service.address));
    }
    for note in &plan.notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    let entries = plan.entries.map_or_else(String::new, |n| format!("{}, ", count(usize::try_from(n).unwrap_or(usize::MAX), "entry")));
    out.push_str(&format!("\nRestore: {entries}{} to write.\n", bytes(plan.bytes)));
    out
}

/// What a restore did.
pub fn restored_text(restored: &Restored, plan: &RestorePlan) -> String {
    let mut out = String::new();
    let entries = count(usize::try_from(restored.entries).unwrap_or(usize::MAX), "entry");
    out.push_str(&format!("restored: {entries}, {} of {} from {}", bytes(restored.bytes), restored.id, restored.store));
    if let Planned::Folder { path, .. } = &plan.target {
        out.push_str(&format!(" to {}", path.display()));
    }
    if restored.uncommitted {
        let run = restored.run;
        out.push_str(&format!(
            "\nThe old state is kept. When all is well: lucid-policy restore --commit {run}\nTo go back:                            lucid-policy restore --rollback {run}"
        ));
    }
    out
}

/// What became of interrupted restores.
pub fn recovered_text(recovered: &[Recovered]) -> String {
    let line = |r: &Recovered| {
        let what = match &r.what {
            What::Undone => "undone: nothing was put in place, the old state stands as it was".to_owned(),
            What::Swapped => "finished: the restored state stands, the old one is kept until it is committed".to_owned(),
            What::Ended => "had ended; only its journal was left".to_owned(),
            What::RolledBack => "its roll-back is finished: the old state stands".to_owned(),
            What::Committed => "its commit is finished: the restored state stands".to_owned(),
            What::Stuck(why) => format!("STUCK: {why}"),
        };
        format!("restore {}: {what}\n", r.run)
    };
    recovered.iter().map(line).collect()
}

/// Restores that wait for a decision.
pub fn pending_text(pending: &[Pending]) -> String {
    let line = |p: &Pending| {
        let mut out = format!("restore {} of {} (policy.{}, {})", p.run, p.id, p.policy, instant(p.at));
        if p.busy {
            out.push_str(" is under way\n");
        } else if p.phase == Phase::Swapped {
            out.push_str(&format!(
                " waits: --commit {run} keeps it, --rollback {run} goes back\n    replaced {}; the old state is in {}\n",
                p.targets.join(", "),
                p.kept.join(", "),
                run = p.run
            ));
        } else {
            out.push_str(" was interrupted: run `lucid-policy recover`\n");
        }
        out
    };
    pending.iter().map(line).collect()
}
