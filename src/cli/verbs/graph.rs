//! `graph`: policies and what they need.

use crate::cli::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::session::load;
use crate::finding::has_errors;
use crate::graph::declared;

/// Draw the graph of policies and what they need.
#[derive(Debug, clap::Args)]
#[command(after_help = "Formats: text, dot, mermaid, json.\n\nExample:\n    lucid-policy graph --format dot | dot -Tsvg > graph.svg")]
pub struct Args {}

impl Args {
    pub(super) fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let (loaded, findings) = load(global)?;
        let graph = declared(&loaded);
        match global.format.as_str() {
            "text" => screen.out(&graph.to_text()),
            "dot" => screen.out(&graph.to_dot()),
            "mermaid" => screen.out(&graph.to_mermaid()),
            "json" => {
                let nodes: Vec<&str> = graph.nodes().collect();
                let edges: Vec<_> = graph.edges().map(|e| serde_json::json!({ "from": e.from, "to": e.to })).collect();
                screen.json(&serde_json::json!({ "format_version": "1.0", "nodes": nodes, "edges": edges }));
            }
            other => return Err(Failure::usage(format!("there is no format `{other}` here"), "use text, dot, mermaid or json")),
        }
        if has_errors(&findings) {
            screen.say(screen.findings(&findings, &loaded.texts).trim_end());
            return Ok(Exit::InvalidManifest);
        }
        Ok(Exit::Good)
    }
}
