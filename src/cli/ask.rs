//! Questions, asked only where a person can answer.

use std::io::{self, BufRead};

use super::screen::Screen;

/// Asks; anything but `yes` is a no.
pub(super) fn confirmed(screen: &Screen, question: &str) -> bool {
    screen.say(&format!("{question} Only `yes` goes on:"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
