//! Logs: on stderr, warnings unless `RUST_LOG` says otherwise, and in a dry run what a function prints; and what a panic prints.

use std::panic::PanicHookInfo;

use shoal_core::Failure;
use shoal_worker::attempt_logs;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::LogFormat;
use crate::render::failure_text;

/// What is logged where `RUST_LOG` says nothing.
const FILTER_DEFAULT: &str = "warn";

/// The same where whoever types wants to see what a function prints.
const FILTER_WITH_FUNCTIONS: &str = "warn,shoal_functions=info";

/// Starts logging. Whoever reads stdout gets results only.
pub(crate) fn init(format: LogFormat, shows_functions: bool) {
    let default = if shows_functions { FILTER_WITH_FUNCTIONS } else { FILTER_DEFAULT };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Text => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => logs.json().boxed(),
    };
    // What attempts log goes to the head, whatever is shown here.
    tracing_subscriber::registry().with(attempt_logs()).with(logs.with_filter(filter)).init();
    std::panic::set_hook(Box::new(|panic| eprint!("{}", failure_text(&panic_failure(panic), None))));
}

fn panic_failure(panic: &PanicHookInfo<'_>) -> Failure {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let failure = Failure::internal(message);
    match panic.location() {
        Some(place) => failure.file(place.file()).line(u64::from(place.line())),
        None => failure,
    }
}
