//! The id of an ended invocation is used again: another start takes its place.

use headwater_wire::Command;

use super::{Actor, Delivered, Loaded};

impl Actor {
    /// Put a new invocation in the place of the ended one in hand. The swap on the revision of the
    /// old value decides whether it does.
    pub(super) async fn supersede(&mut self, delivered: Delivered) {
        let Command::Start(start) = delivered.command.clone() else {
            return;
        };
        // The new one knows nothing of what follows from the last turn of the old one.
        self.settle().await;
        self.release_held().await;
        let Some(chosen) = self.choose(&start, &delivered) else {
            return self.give_back(delivered).await;
        };
        let Some(Loaded::Invocation(old)) = self.loaded.take() else {
            return self.give_back(delivered).await;
        };
        let birth = self.birth(old.value().id.clone(), chosen.version, &delivered);
        self.pages.clear();
        self.fired.clear();
        // Somebody else may have it in hand, with the old value.
        self.new_start = false;
        let next = old.supersede(self.create_from(start, birth).await);
        self.born(next, chosen.workflow, delivered);
    }
}
