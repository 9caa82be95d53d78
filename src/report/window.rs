//! Windows for people: what is quiet now, and of interrupted ones what is awake again and what is not.

use super::human::instant;
use crate::execute::window::{Awoken, OpenWindow};

/// What became of interrupted windows.
pub fn awoken_text(awoken: &[Awoken]) -> String {
    let mut out = String::new();
    for one in awoken {
        let run = format!("run {} of {}", one.run, instant(one.at));
        if !one.awake.is_empty() {
            out.push_str(&format!("{run} was interrupted while services were quiet; awake again: {}\n", one.awake.join(", ")));
        }
        out.extend(one.notes.iter().map(|note| format!("note: {note}\n")));
        out.extend(one.stuck.iter().map(|why| format!("STUCK: {run}: {why}\n")));
    }
    out
}

/// What is quiet now.
pub fn quiet_text(windows: &[OpenWindow]) -> String {
    let line = |w: &OpenWindow| format!("quiet now: {}, by run {} since {} ({})\n", w.services.join(", "), w.run, instant(w.at), w.holder);
    windows.iter().map(line).collect()
}
