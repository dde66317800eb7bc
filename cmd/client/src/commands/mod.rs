//! What the commands do, one file for each group of them.

mod ask;
mod bulk;
mod check;
mod dead_letters;
mod export;
mod fork;
mod inspect;
mod lifecycle;
mod list;
mod runs;
mod start;
mod status;
mod system;
mod tell;
mod watch;

use crate::{
    args::{Cli, Command, DeadLetters},
    exit::Problem,
    session::Session,
};

/// Run one command. What is wrong with the arguments is told before anything is connected.
pub(crate) async fn run(cli: Cli) -> Result<(), Problem> {
    let Cli { globals, command } = cli;
    let open = || Session::open(&globals);
    match command {
        Command::Start(args) => start::start(&globals, args).await,
        Command::Wait(args) => start::wait(&open().await?, &args).await,
        Command::Status(args) => status::status(&open().await?, &args.id).await,
        Command::Why(args) => status::why(&open().await?, &args.id).await,
        Command::Inspect(args) => inspect::inspect(&open().await?, &args.id).await,
        Command::History(args) => export::history(&open().await?, &args).await,
        Command::Runs(args) => runs::runs(&open().await?, &args.id).await,
        Command::Fork(args) => fork::fork(&open().await?, args).await,
        Command::Prune(args) => runs::prune(&open().await?, &args).await,
        Command::Export(args) => export::export(&open().await?, &args.id).await,
        Command::Check(args) => check::check(&globals, &args).await,
        Command::Signal(args) => tell::signal(&globals, &args).await,
        Command::Enqueue(args) => ask::enqueue(&globals, &args).await,
        Command::Raise(args) => ask::raise(&globals, &args).await,
        Command::Update(args) => ask::update(&globals, &args).await,
        Command::Query(args) => ask::query(&globals, &args).await,
        Command::Cancel(args) => tell::cancel(&open().await?, &args).await,
        Command::Terminate(args) => lifecycle::terminate(&open().await?, &args).await,
        Command::Pause(args) => lifecycle::pause(&open().await?, &args).await,
        Command::Delete(args) => lifecycle::delete(&open().await?, &args).await,
        Command::Resume(args) => tell::resume(&open().await?, &args).await,
        Command::List(args) => list::list(&open().await?, args).await,
        Command::Tree(args) => system::tree(&open().await?, &args.id).await,
        Command::Metrics => system::metrics(&open().await?).await,
        Command::Depths => system::depths(&open().await?).await,
        Command::Members => list::members(&open().await?).await,
        Command::Watch(args) => watch::watch(&open().await?, args.id.as_ref()).await,
        Command::DeadLetters(command) => {
            let session = open().await?;
            match command {
                DeadLetters::List { from, limit } => {
                    dead_letters::list(&session, from, limit).await
                }
                DeadLetters::Show { seq } => dead_letters::show(&session, seq).await,
                DeadLetters::Redrive(args) => dead_letters::redrive(&session, &args).await,
            }
        }
    }
}
