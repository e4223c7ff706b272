//! The demo's face: a table that stays in place on a terminal, a line a second elsewhere.

use std::io::{IsTerminal, Write};

use super::grocery::Snapshot;
use crate::error::CliError;
use crate::output;

pub(super) struct Screen {
    is_terminal: bool,
    /// Lines of the table that stand on the screen.
    lines_shown: usize,
}

impl Screen {
    pub(super) fn new() -> Screen {
        Screen {
            is_terminal: std::io::stdout().is_terminal(),
            lines_shown: 0,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn show(&mut self, seen: &Snapshot) -> Result<(), CliError> {
        let (p50, p99) = (seen.p50_ms, seen.p99_ms);
        if !self.is_terminal {
            let kills = if seen.kills > 0 {
                format!("  kills {}", seen.kills)
            } else {
                String::new()
            };
            // Not `line`: where nobody reads any more, the server must still be stopped.
            return Ok(output::say(&format!(
                "orders {}  picklists {}  rate {:.0}/s  p50 {p50:.1} ms  p99 {p99:.1} ms{kills}",
                seen.orders, seen.picklists, seen.rate
            ))?);
        }
        let mut table = output::plain_table();
        table.set_header(["ORDERS", "PICK LISTS", "RATE", "LATENCY P50", "LATENCY P99", "KILLS"]);
        table.add_row([
            seen.orders.to_string(),
            seen.picklists.to_string(),
            format!("{:.0}/s", seen.rate),
            format!("{p50:.1} ms"),
            format!("{p99:.1} ms"),
            seen.kills.to_string(),
        ]);
        let mut text = output::trimmed(&table);
        text.push_str(&format!(
            "\n\nlast pick list: {}\nCtrl-C ends the demo and verifies it\n",
            seen.last
        ));
        let mut out = std::io::stdout().lock();
        if self.lines_shown > 0 {
            // Back to the table's first line, clearing what stands below.
            write!(out, "\x1b[{}A\x1b[J", self.lines_shown)?;
        }
        write!(out, "{text}")?;
        out.flush()?;
        self.lines_shown = text.lines().count();
        Ok(())
    }
}
