//! `tidegate simulate` from its command line to its report.

mod crew;
mod order;
mod page;
mod play;
mod progress;
mod replay;
mod table;

use std::thread;

use tokio::sync::oneshot;

pub(crate) use self::crew::share_out;
use self::order::Order;
use self::page::page;
use self::play::{Played, play};
use crate::args::SimulateArgs;
use crate::failure::Failure;
use crate::signals::{Quit, Signals};
use crate::{say, say_aside};

/// Plays the scenarios and shows the board.
///
/// # Errors
///
/// Bad input, before any run; a run that fails; a signal; a report that cannot be written.
pub(crate) async fn simulate(args: &SimulateArgs) -> Result<(), Failure> {
    if args.trace.is_some() {
        return replay::replay(args).await;
    }
    let mut order = Order::from_args(args)?;
    // The files stay here, where a signal drops them.
    let (json, report) = (order.json.take(), order.report.take());
    let (order, played) = unless_stopped(move || {
        let played = play(&order);
        (order, played)
    })
    .await?;
    let played = played.map_err(Failure::work)?;
    let said = show(&order, &played);
    if let Some(file) = json {
        file.write(&serde_json::to_string(&played.board)?)?;
    }
    if let Some(file) = report {
        file.write(&page(&played)?)?;
    }
    said
}

/// Does the work aside until a signal comes.
async fn unless_stopped<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let mut signals = Signals::listen(Quit::default())?;
    tokio::select! {
        done = aside(work) => done,
        signal = signals.next() => Err(Failure::Interrupted(signal)),
    }
}

/// Does the work on a thread of its own, which ends with the process: nobody has to wait for it, and nothing of it has to be
/// cleaned up.
///
/// # Errors
///
/// If there is no thread to be had, or the work panics.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (send, receive) = oneshot::channel();
    thread::Builder::new().name("play".to_owned()).spawn(move || {
        // Nobody listens any more after a signal.
        let _ = send.send(work());
    })?;
    receive.await.map_err(|_| Failure::work("the thread that plays broke down"))
}

fn show(order: &Order, played: &Played) -> Result<(), Failure> {
    let board = &played.board;
    let said = if order.variations.is_empty() {
        say(&format!("{}\n{}", table::scenarios(board), table::standings(board)))
    } else {
        say(&table::sensitivity(board, &order.variations))
    };
    say_aside(&table::cost(&played.cost));
    said
}
