//! Graphs as text, as DOT and as Mermaid.

use std::fmt::{self, Write as _};

use super::build::Graph;

impl Graph {
    /// Indented text: each node that needs anything, and what it needs.
    pub fn to_text(&self) -> String {
        written(|out| {
            for node in self.nodes() {
                let needs = self.needs(node);
                if needs.is_empty() {
                    continue;
                }
                writeln!(out, "{node}")?;
                for edge in needs {
                    writeln!(out, "  {:<12} {}", edge.label, edge.to)?;
                }
            }
            Ok(())
        })
    }

    /// A digraph for Graphviz.
    pub fn to_dot(&self) -> String {
        written(|out| {
            writeln!(out, "digraph manifest {{\n  rankdir = LR;\n  node [shape = box];")?;
            for node in self.nodes() {
                writeln!(out, "  {};", quoted(node))?;
            }
            for edge in self.edges() {
                writeln!(out, "  {} -> {} [label = {}];", quoted(&edge.from), quoted(&edge.to), quoted(&edge.label))?;
            }
            writeln!(out, "}}")
        })
    }

    /// A flowchart for Mermaid. Nodes have numbers, because their addresses may be words of Mermaid's.
    pub fn to_mermaid(&self) -> String {
        written(|out| {
            writeln!(out, "flowchart LR")?;
            let nodes: Vec<&str> = self.nodes().collect();
            for (n, node) in nodes.iter().enumerate() {
                writeln!(out, "  n{n}[\"{}\"]", escaped(node))?;
            }
            let number = |node: &str| nodes.binary_search(&node).unwrap_or_default();
            for edge in self.edges() {
                writeln!(out, "  n{} -->|\"{}\"| n{}", number(&edge.from), escaped(&edge.label), number(&edge.to))?;
            }
            Ok(())
        })
    }
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // writing to a string cannot fail
    write(&mut out).unwrap_or_default();
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn escaped(text: &str) -> String {
    text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::declared;
    use crate::model::read;

    const MANIFEST: &str = r#"
version = 1
name = "t"
[store.directory]
near = { path = "/near" }
far = { path = "/far" }
[source.files.etc]
paths = ["/etc"]
[schedule]
nightly = { cron = "@daily" }
[retention]
month = { keep_within = "1mo" }
[policy.etc]
source = "etc"
schedule = "nightly"
retention = "month"
stores = ["near", "far"]
"#;

    #[test]
    fn a_manifest_is_drawn_in_three_ways() {
        let loaded = read(&[("m.toml".to_owned(), MANIFEST.to_owned())], Path::new("/m"));
        assert_eq!(loaded.findings, []);
        let graph = declared(&loaded);
        insta::assert_snapshot!(graph.to_text(), @r##"
        policy.etc
          retention    retention.month
          schedule     schedule.nightly
          source       source.etc
          copies to    store.far
          captures to  store.near
        "##);
        insta::assert_snapshot!(graph.to_dot(), @r##"
        digraph manifest {
          rankdir = LR;
          node [shape = box];
          "policy.etc";
          "retention.month";
          "schedule.nightly";
          "source.etc";
          "store.far";
          "store.near";
          "policy.etc" -> "retention.month" [label = "retention"];
          "policy.etc" -> "schedule.nightly" [label = "schedule"];
          "policy.etc" -> "source.etc" [label = "source"];
          "policy.etc" -> "store.far" [label = "copies to"];
          "policy.etc" -> "store.near" [label = "captures to"];
        }
        "##);
        insta::assert_snapshot!(graph.to_mermaid(), @r##"
        flowchart LR
          n0["policy.etc"]
          n1["retention.month"]
          n2["schedule.nightly"]
          n3["source.etc"]
          n4["store.far"]
          n5["store.near"]
          n0 -->|"retention"| n1
          n0 -->|"schedule"| n2
          n0 -->|"source"| n3
          n0 -->|"copies to"| n4
          n0 -->|"captures to"| n5
        "##);
    }
}
