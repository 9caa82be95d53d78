//! Codes of what is legal but unwise. Each has a level: `[lint.CODE] level = "allow" | "warn" | "deny"` with a `reason`.

codes! { Lint;
    NO_RETENTION warning "no-retention", "a policy keeps everything for ever",
        "A policy without `retention` never deletes: its stores fill until a capture fails. Name a retention, or allow this lint with the reason why this series may grow without end.";
    NO_SCHEDULE warning "no-schedule", "a policy is never due by time",
        "A policy without `schedule` is captured once, when it never was, and after that only with `apply --now`. Name a schedule, set `state = \"paused\"`, or allow this lint.";
    SINGLE_STORE off "single-store", "a policy has one store only",
        "One store is one disk, one account or one mistake away from no backup at all. Off unless asked for: set `[lint.single-store] level = \"warn\"` or `\"deny\"` with a reason to demand a second store of every active policy.";
    RPO_SHORTER_THAN_SCHEDULE warning "rpo-shorter-than-schedule", "a schedule that cannot meet its objective",
        "`rpo` says how old the newest artifact may be. Where two slots of the schedule are further apart than that, the objective is missed between them even if every run succeeds. Run more often or promise less.";
    RPO_WITHOUT_SCHEDULE warning "rpo-without-schedule", "an objective that nothing works towards",
        "`rpo` says how old the newest artifact may be, but the policy has no schedule, so nothing makes a newer one when time passes. Name a schedule or remove the objective.";
    RETENTION_SHORTER_THAN_SCHEDULE warning "retention-shorter-than-schedule", "a retention that keeps less than one slot",
        "`keep_within` is the only rule and is shorter than the time between two slots of the schedule, so every artifact is outside of it when the next one is made and only the floors (`min_count`, `min_age`) keep any.";
    MIN_COUNT_ONE warning "min-count-one", "a floor of one artifact",
        "`min_count = 1` lets retention go down to the newest artifact alone. If that one turns out to be damaged, or holds what was already broken, there is nothing before it. Keep at least two.";
    MAX_DOWNTIME_WITHOUT_STOP warning "max-downtime-without-stop", "a limit for services that are not stopped",
        "`max_downtime` says how long services may be quiet, and the policy's source stops none. Either the list `stop` of the source was forgotten, and it is read while others write to it, or the key does nothing.";
    SINGLE_RECIPIENT warning "single-recipient", "one key that everything depends on",
        "What is encrypted can be restored with the secret key of a recipient and by nobody else, this program included. With one recipient, a lost key is the loss of every backup. Name at least two, and keep their secret keys in different places.";
    READABLE_OFFSITE warning "readable-offsite", "a bucket that holds readable artifacts",
        "The policy names no recipients, so its artifacts lie readable in a bucket: for the provider, for everybody who gets the credentials, and after a mistake in the bucket's policy for the world. Encryption by the service (`sse`) changes none of these. Write `[encryption] recipients`.";
    UNUSED_STORE warning "unused-store", "a store that no policy names",
        "Nothing is written to this store and nothing in it is planned. If its artifacts are to stay under retention, name it in a policy (`state = \"retired\"` captures nothing), else remove the table.";
    UNUSED_SOURCE warning "unused-source", "a source that no policy names",
        "This source is described but never backed up, which is easily mistaken for being protected. Write a policy for it or remove the table.";
    UNUSED_SERVICE warning "unused-service", "a service that no source names",
        "No source names this service in `stop` or `restore_stop`, and no service needs it, so it is never quiet. If it writes to a source, name it there, else remove the table.";
    UNUSED_SCHEDULE warning "unused-schedule", "a schedule that no policy names",
        "Nothing runs by this schedule. A policy may name another by mistake. Use it or remove it.";
    UNUSED_RETENTION warning "unused-retention", "a retention that no policy names",
        "Nothing is kept by these rules. A policy may name others by mistake. Use them or remove them.";
    UNUSED_ALLOW warning "unused-allow", "an allowed lint that found nothing",
        "`[lint.CODE] level = \"allow\"` silences a lint that has nothing to say any more. Remove the table, so that the lint speaks when there is a reason again.";
}
