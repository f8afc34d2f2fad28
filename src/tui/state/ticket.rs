//! Tickets: a request carries one, and its result brings it back. The result of a request that is no longer open is
//! ignored.

/// Identifies one request, or one run of a trainer in this process. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// Issues tickets.
#[derive(Clone, Debug, Default)]
pub struct Tickets(u64);

impl Tickets {
    /// The next one.
    pub fn draw(&mut self) -> Ticket {
        self.0 += 1;
        Ticket(self.0)
    }
}
