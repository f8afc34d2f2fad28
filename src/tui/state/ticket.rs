//! Tickets: what is asked of the world carries one, and its answer brings it back. An answer to a question that is no
//! longer open changes nothing.

/// Names one question to the world, or one run of a trainer in this process. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// Gives out tickets.
#[derive(Clone, Debug, Default)]
pub struct Tickets(u64);

impl Tickets {
    /// The next one.
    pub fn draw(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}
