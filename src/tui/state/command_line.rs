//! The command line while it is typed: text and cursor, the lines before it, and completion.

use tui_input::{Input, InputRequest};

use super::ticket::Ticket;

/// Most lines in the history.
const REMEMBERED: usize = 100;

/// Words that may be inserted at the cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// Where the word begins, in characters.
    start: usize,
    /// Every word that fits.
    pub words: Vec<String>,
    /// The inserted one, once Tab was pressed again.
    pub chosen: Option<usize>,
}

/// A line that is being typed.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    input: Input,
    /// Why the line cannot be run.
    pub problem: Option<String>,
    /// The completion at the cursor, while it is shown.
    pub completion: Option<Completion>,
    /// The ticket of the request to the disk for it, and where the word begins.
    asked: Option<(Ticket, usize)>,
    /// The position in the history, from the newest, and what had been typed.
    recalled: Option<(usize, String)>,
}

impl PartialEq for CommandLine {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() && self.cursor() == other.cursor() && self.problem == other.problem
    }
}

impl CommandLine {
    /// A line that begins with these words.
    pub fn new(words: &str) -> Self {
        Self { input: words.into(), ..Self::default() }
    }

    /// The typed text.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Characters before the cursor.
    pub fn cursor(&self) -> usize {
        self.input.cursor()
    }

    /// Edits the line.
    pub fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
        (self.problem, self.completion, self.asked, self.recalled) = (None, None, None, None);
    }

    /// Inserts what was pasted, without its control characters.
    pub fn insert(&mut self, text: &str) {
        text.chars().filter(|c| !c.is_control()).for_each(|c| self.edit(InputRequest::InsertChar(c)));
    }

    /// The previous line in the history, or the next one; after the newest, what had been typed.
    pub fn recall(&mut self, history: &[String], back: bool) {
        let (at, typed) = self.recalled.take().map_or((None, self.text().to_owned()), |(at, typed)| (Some(at), typed));
        let next = match (at, back) {
            (None, false) => None,
            (None, true) => Some(0),
            (Some(at), true) => Some((at + 1).min(history.len().saturating_sub(1))),
            (Some(at), false) => at.checked_sub(1),
        };
        let line = next.and_then(|at| history.len().checked_sub(at + 1)).and_then(|at| history.get(at));
        let words = line.unwrap_or(&typed).clone();
        *self = Self::new(&words);
        self.recalled = line.and(next).map(|at| (at, typed));
    }

    /// Waits for words from the disk that may follow this many characters.
    pub fn ask(&mut self, ticket: Ticket, start: usize) {
        self.asked = Some((ticket, start));
    }

    /// Adds words from the disk; does nothing if other ones are awaited.
    pub fn answered(&mut self, answer: Ticket, words: Vec<String>) {
        if let Some((_, start)) = self.asked.take_if(|(ticket, _)| *ticket == answer) {
            self.complete(start, words);
        }
    }

    /// Completes the word that begins after this many characters, as far as the words agree; the remaining words are
    /// shown.
    pub fn complete(&mut self, start: usize, mut words: Vec<String>) {
        words.sort();
        words.dedup();
        let word: String = self.text().chars().take(self.cursor()).skip(start).collect();
        let Some(first) = words.first() else {
            self.problem = Some(format!("nothing that fits begins with \"{word}\""));
            return;
        };
        let agree = words.iter().skip(1).fold(first.as_str(), |agree, word| {
            let same = agree.char_indices().zip(word.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
            &agree[..same.unwrap_or(agree.len().min(word.len()))]
        });
        let whole = words.len() == 1;
        let put = if whole && !first.ends_with('/') { format!("{first} ") } else { agree.to_owned() };
        self.replace(start, &put);
        self.completion = (!whole).then_some(Completion { start, words, chosen: None });
    }

    /// Inserts the next of the shown words, or the one before; returns whether there are any.
    pub fn next_word(&mut self, back: bool) -> bool {
        let Some(mut completion) = self.completion.take() else { return false };
        let last = completion.words.len() - 1;
        let next = match (completion.chosen, back) {
            (None, false) => 0,
            (None | Some(0), true) => last,
            (Some(at), true) => at - 1,
            (Some(at), false) => (at + 1) % completion.words.len(),
        };
        self.replace(completion.start, &completion.words[next].clone());
        completion.chosen = Some(next);
        self.completion = Some(completion);
        true
    }

    /// Replaces the text between this position and the cursor by a word.
    fn replace(&mut self, start: usize, word: &str) {
        let (text, cursor) = (self.text(), self.cursor());
        let head: String = text.chars().take(start).chain(word.chars()).collect();
        let rest: String = text.chars().skip(cursor).collect();
        let at = head.chars().count();
        self.input = Input::new(head + &rest).with_cursor(at);
    }
}

/// Adds a line to the history, unless it is empty or equal to the newest.
pub fn remember(history: &mut Vec<String>, line: &str) {
    if !line.trim().is_empty() && history.last().is_none_or(|last| last != line) {
        history.push(line.to_owned());
        history.drain(..history.len().saturating_sub(REMEMBERED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_cursor_moves_by_letters_and_words_and_letters_go_in_where_it_is() {
        let mut line = CommandLine::new("set lr 1e-4");
        line.edit(InputRequest::GoToPrevWord);
        line.edit(InputRequest::DeletePrevWord);
        line.insert("epochs\u{1b}\n ");
        assert_eq!((line.text(), line.cursor()), ("set lr epochs 4", 14));
        let mut line = CommandLine::new("tätig");
        line.edit(InputRequest::GoToStart);
        line.edit(InputRequest::GoToNextChar);
        line.edit(InputRequest::DeleteNextChar);
        assert_eq!(line.text(), "ttig");
        line.edit(InputRequest::DeleteTillEnd);
        assert_eq!(line.text(), "t");
    }

    #[test]
    fn earlier_lines_come_back_and_what_was_typed_is_kept() {
        let mut history = Vec::new();
        for line in ["data a", "", "data b", "data b"] {
            remember(&mut history, line);
        }
        assert_eq!(history, words(&["data a", "data b"]));
        let mut line = CommandLine::new("se");
        let mut step = |back| {
            line.recall(&history, back);
            line.text().to_owned()
        };
        assert_eq!(
            [true, true, true, false, false, false].map(&mut step),
            ["data b", "data a", "data a", "data b", "se", "se"]
        );
        let mut empty = CommandLine::new("se");
        empty.recall(&[], true);
        assert_eq!(empty.text(), "se");
        (0..200).for_each(|n| remember(&mut history, &n.to_string()));
        assert_eq!(history.len(), REMEMBERED);
    }

    #[test]
    fn a_word_is_completed_as_far_as_all_that_fit_agree_then_they_are_gone_through() {
        let mut line = CommandLine::new("s lr");
        line.edit(InputRequest::SetCursor(1));
        line.complete(0, words(&["stop", "start", "start"]));
        assert_eq!((line.text(), line.cursor()), ("st lr", 2));
        let chosen = [false, false, true, true].map(|back| {
            assert!(line.next_word(back));
            line.text().to_owned()
        });
        assert_eq!(chosen, ["start lr", "stop lr", "start lr", "stop lr"]);
        line.edit(InputRequest::GoToEnd);
        assert!(!line.next_word(false), "another letter ends the completion");
        let mut line = CommandLine::new("data äh");
        line.complete(5, words(&["ähre/"]));
        assert_eq!((line.text(), line.completion.is_none()), ("data ähre/", true), "a folder goes on");
        line.complete(5, words(&["ähre/a", "ähre/ä"]));
        assert_eq!(line.text(), "data ähre/");
        line.complete(5, Vec::new());
        assert!(line.problem.is_some());
        let mut line = CommandLine::new("st");
        line.complete(0, words(&["start"]));
        assert_eq!(line.text(), "start ");
    }

    #[test]
    fn words_that_come_late_complete_nothing() {
        let mut tickets = super::super::ticket::Tickets::default();
        let (first, second) = (tickets.draw(), tickets.draw());
        let mut line = CommandLine::new("data x");
        line.ask(first, 5);
        line.ask(second, 5);
        line.answered(first, words(&["xa"]));
        assert_eq!(line.text(), "data x");
        line.answered(second, words(&["xb"]));
        assert_eq!(line.text(), "data xb ");
        line.ask(first, 5);
        line.edit(InputRequest::GoToEnd);
        line.answered(first, words(&["xbc"]));
        assert_eq!(line.text(), "data xb ");
    }
}
