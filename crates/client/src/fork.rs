//! Forking: an invocation that begins with what another has recorded.

use headwater_wire::{InvocationId, fork::Fork};

use crate::{Client, ClientError, StartCall};

impl Client {
    /// Start another invocation with what this one has recorded before it decided a step, from 1 as
    /// `headwater inspect` numbers them: the outcomes of the steps before stand, and from that step
    /// on it goes its own way. The one that is forked is left as it is, running or ended.
    ///
    /// It has the input, the version and the task queue of the other, and no partition key. Its
    /// journal and its state (key-value pairs, search attributes) begin as the other's had been;
    /// what was pending is begun anew, and signals that were not taken are not its. It begins before
    /// the first child, hook or signal by name that had no outcome at the step, since those are the
    /// other's own. The program is replayed over what the other did, where what it gave to others
    /// may differ (its own id); if it decides otherwise, it is parked.
    ///
    /// Errors: [`ClientError::NotFound`]; [`ClientError::Fork`] if the last run of it has not
    /// decided that step. What is found out later, the fork fails with.
    ///
    /// ```no_run
    /// # async fn example(client: headwater_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut mended = client.fork(&"order-7".parse()?, 4).await?.version("1.0.1").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn fork(&self, id: &InvocationId, step: u32) -> Result<StartCall, ClientError> {
        let state = self.state(id).await?;
        let steps = state.journal.steps;
        if !(1..=steps).contains(&step) {
            let message =
                format!("its last run has decided {steps} steps, and step {step} is none");
            return Err(ClientError::Fork(message));
        }
        let value = state.value;
        let call = StartCall::new(self.clone(), value.workflow);
        let call = call.payload(value.input).queue(value.queue);
        let call = match value.version.is_empty() {
            true => call,
            false => call.version(value.version),
        };
        Ok(call.fork_of(Fork {
            invocation: value.id,
            run: value.run,
            step,
        }))
    }
}
