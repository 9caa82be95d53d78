//! Did-you-mean: the candidate a typo was probably meant to be.

/// How alike two words must be, from 0 to 1. Below it a suggestion confuses more than it helps.
const ALIKE: f64 = 0.75;

/// The candidate nearest to `word`, if any is near. Deterministic: of equally near ones the first by name.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let distance = strsim::osa_distance(&word, &lower);
        let slips = if word.chars().count().min(lower.chars().count()) <= 3 { 1 } else { 2 };
        let score = if distance <= slips {
            2.0 - f64::from(u32::try_from(distance).unwrap_or(u32::MAX)) / 10.0
        } else {
            strsim::jaro(&word, &lower)
        };
        let better = best.is_none_or(|(other, name)| score > other || (score >= other && candidate < name));
        if score >= ALIKE && better {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["local", "offsite", "nas", "retention", "retention_at", "Europe/Berlin"];
        let table = [
            ("naz", Some("nas")),
            ("lcoal", Some("local")),
            ("retentoin", Some("retention")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("zebra", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }
}
