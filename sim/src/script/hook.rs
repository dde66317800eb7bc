//! The operation that asks a hook for a step: one of its own, by way of COMMANDS like any other.

use headwater_core::{Context, Error};

use super::{Lab, Work, text};

const NAME: &str = "work";

/// Have the hook ready.
pub(super) fn have(ctx: &Context, lab: &Lab) {
    let lab = lab.clone();
    ctx.on_hook(NAME, move |ctx: Context, work: Work| work.call(&ctx, &lab));
}

pub(super) async fn run(ctx: &Context, work: &Work) -> Result<String, Error> {
    let own = ctx.other(ctx.id().as_str());
    text(own.call_hook::<u64>(NAME, work).await)
}
