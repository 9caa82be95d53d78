//! Codes of the dependency graph.

codes! { Manifest;
    CYCLE error "cycle", "tables that need each other in a circle",
        "What is in a circle can never be ordered: each waits for the next. The finding names every edge of the shortest circle, starting at its first name. Remove one of the named keys.";
}
