//! What is to be seen while a run goes on: a frame that is drawn anew every second on a terminal, or else a line now and then.
//!
//! Everything goes to the error output, so that a result on the standard output stays alone there.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use load_model::collect::View;
use load_model::scenario::Scenario;
use load_report::live::Window;

use crate::terminal::paper_of;

/// Between two lines where there is no terminal: a log of a minute has a dozen of them.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The window where a terminal does not tell its size.
const WINDOW: Window = Window { width: 80, height: 24 };

/// When the live view is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Live {
    /// On a terminal; elsewhere there is a line every few seconds.
    Auto,
    /// Everywhere.
    Always,
    /// Nothing is shown before the report.
    Never,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Frames,
    Lines,
    Nothing,
}

/// Shows a run.
#[derive(Debug)]
pub struct Screen {
    live: load_report::live::Live,
    style: Style,
    line_due: Instant,
}

impl Screen {
    /// Of a run of a scenario.
    pub fn new(scenario: &Scenario, live: Live) -> Self {
        let style = match live {
            Live::Always => Style::Frames,
            Live::Never => Style::Nothing,
            Live::Auto if io::stderr().is_terminal() => Style::Frames,
            Live::Auto => Style::Lines,
        };
        Self { live: load_report::live::Live::new(scenario), style, line_due: Instant::now() }
    }

    /// Shows what there is. A terminal that went away ends nothing but the view.
    pub fn show(&mut self, view: &View) {
        if self.style == Style::Nothing {
            return;
        }
        self.live.handle_view(view.clone());
        let shown = match self.style {
            Style::Frames => {
                io::stderr().write_all(self.live.frame(window(), paper_of(&io::stderr()).colour).as_bytes())
            }
            Style::Lines => self.line(),
            Style::Nothing => Ok(()),
        };
        if shown.is_err() {
            self.style = Style::Nothing;
        }
    }

    fn line(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if now < self.line_due {
            return Ok(());
        }
        let Some(line) = self.live.line() else { return Ok(()) };
        self.line_due = now + LINE_EVERY;
        writeln!(io::stderr(), "{line}")
    }

    /// Leaves the terminal clear for the report.
    pub fn finish(&mut self) {
        if self.style == Style::Frames {
            // Whether it is still there does not matter any more.
            let _ = io::stderr().write_all(b"\x1b[H\x1b[J");
            self.style = Style::Nothing;
        }
    }
}

fn window() -> Window {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(WINDOW, |size| Window { width: size.ws_col.into(), height: size.ws_row.into() })
}
