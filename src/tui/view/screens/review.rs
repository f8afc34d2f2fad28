//! Review: one clip, its label, what is proposed, and the keys that decide.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::{
    data::{Chosen, Decision, Label, Sighting},
    shell,
    train::{Interval, normal_quantile, wilson},
    tui::{
        input::{
            action::{Action, LivePanel, Screen, Verdict},
            keymap::Context,
        },
        state::{
            app::App,
            review::{About, DIGITS, ReviewItem, ReviewList, Search, SearchFor, data_to_search},
        },
        text,
        view::{
            clip_panel,
            picture::Picture,
            widgets::{Panel, gauge, hint, middle, paragraph},
        },
    },
};

/// Rows of the panel with the decision.
const DECISION: u16 = 10;

/// Draws the screen. Returns a picture that the terminal draws over it, if any.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let review = &app.review;
    if let Some(search) = &review.search {
        let title = match search.of {
            SearchFor::Errors => "looking for likely wrong labels",
            SearchFor::Detections => "review",
            SearchFor::Alike => "looking for clips like this one",
        };
        let inner = Panel::new(title, theme).draw(area, buffer);
        return searching(app, search, inner, buffer);
    }
    let list = match &review.list {
        Some(Ok(list)) => list,
        Some(Err(problem)) => {
            let inner = Panel::new("review", theme).border(theme.bad()).draw(area, buffer);
            let [search, back] = [Action::SearchErrors, Action::Back].map(|action| app.key(&action));
            let keys = format!("{search} looks for likely wrong labels, {back} goes back");
            middle(inner, &text::one_line(problem), theme.bad(), &keys, theme, buffer);
            return None;
        }
        None => {
            let inner = Panel::new("review", theme).draw(area, buffer);
            let data = text::clean(&data_to_search(app.reviewed(), &app.setup));
            let (search, results) = (app.key(&Action::SearchErrors), app.key(&Action::Show(Screen::Results)));
            let these = app.key_on(Screen::Results, &Action::ReviewThese);
            let (scan, of_scan) =
                (app.key(&Action::Show(Screen::Scan)), app.key_on(Screen::Scan, &Action::ReviewThese));
            let live = app.key(&Action::Show(Screen::Live));
            let bookmarks = Context::In(LivePanel::Bookmarks);
            let of_live = app.keys.name(bookmarks, &Action::ReviewThese);
            let list = app.key_on(Screen::Live, &Action::Panel(LivePanel::Bookmarks));
            let keys = [
                (&*search, format!("look for labels of {data} that are likely wrong")),
                (&*results, format!("Results: {these} there reviews the clips that a session answers wrongly")),
                (&*scan, format!("Scan: {of_scan} there reviews the detections that are listed")),
                (&*live, format!("Live: {list} lists bookmarks, and {of_live} reviews them")),
            ];
            hint(inner, "One clip after another: listen, decide with one key, go on.", &keys, theme, buffer);
            return None;
        }
    };
    let [clip, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(DECISION)]).areas(area);
    let Some(item) = review.item() else {
        end(app, list, area, buffer);
        return None;
    };
    let picture = clip_panel::draw(app, &review.clip, "this clip has no sound here", clip, buffer);
    decision(app, list, item, below, buffer);
    picture
}

fn searching(app: &App, search: &Search, area: Rect, buffer: &mut Buffer) -> Option<Picture> {
    let theme = app.theme();
    let (done, total) = search.progress;
    let words = match (done, total) {
        (_, 0) if search.of == SearchFor::Detections => "reading what was decided before …".to_owned(),
        (_, 0) => "reading the data set …".to_owned(),
        (done, total) if done == total && search.of == SearchFor::Alike => "comparing vectors …".to_owned(),
        (done, total) if done == total => "small models answer every clip, each trained without it …".to_owned(),
        (done, total) => {
            format!("{} of {} clips through the frozen backbone", text::count(done as u64), text::count(total as u64))
        }
    };
    let stop = format!("{} stops it", app.key(&Action::SearchErrors));
    middle(area, &words, theme.base(), &stop, theme, buffer);
    if total > 0 {
        let wide = area.width.min(60);
        let line = gauge(done as f64 / total as f64, usize::from(wide), theme.accent(), theme);
        let y = area.y + area.height / 2 + 2;
        if y < area.bottom() {
            buffer.set_line(area.x + (area.width - wide) / 2, y, &line, wide);
        }
    }
    None
}

/// The label, the proposal, the choices, and how far the list is.
fn decision(app: &App, list: &ReviewList, item: &ReviewItem, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let review = &app.review;
    let name = |class: usize| list.dataset.classes.get(class).map_or_else(String::new, |name| text::clean(name));
    let title = Line::from(vec![
        Span::styled(format!("{} of {}", review.at + 1, list.items.len()), theme.strong()),
        Span::styled(format!("  {}", text::clean(&list.title)), theme.dim()),
    ]);
    let decided = review.decided().get(&review.at).map(|made| format!("decided: {}", words(&made.decision)));
    let right = Line::styled(decided.unwrap_or_default(), theme.good());
    let inner = Panel::new(title, theme).border(theme.accent()).right(right).draw(area, buffer);
    if inner.height < 6 {
        return;
    }
    let several = list.dataset.is_multi_label();
    let held = list.dataset.items.get(item.index).map(|clip| list.dataset.label_of(clip)).unwrap_or_default();
    let held = if held.is_empty() { "nothing".to_owned() } else { text::clean(&held) };
    let proposed = if item.holds { name(item.proposed) } else { format!("not {}", name(item.proposed)) };
    let of_label = item.of_label.filter(|_| !several).map_or_else(String::new, |p| format!(" {p:.2}"));
    let mut line = match list.sighting(review.at) {
        Some(sighting) => detection(app, sighting),
        None => Line::from(vec![
            Span::styled("label now  ", theme.dim()),
            Span::styled(held.clone(), theme.strong()),
            Span::styled(of_label, theme.dim()),
            Span::styled("     proposed  ", theme.dim()),
            Span::styled(proposed.clone(), theme.accent().bold()),
            Span::styled(format!(" {:.2}", item.of_proposed), theme.dim()),
        ]),
    };
    if item.likely {
        line.push_span(Span::styled("   ◆ likely wrong", theme.warn()));
    }
    if item.at_random && list.detections().is_none() {
        line.push_span(Span::styled("   drawn at random", theme.dim()));
    }
    buffer.set_line(inner.x, inner.y, &line, inner.width);
    last_decision(app, Rect { y: inner.y + 1, height: 1, ..inner }, buffer);
    match &review.typing {
        Some(typed) => typing(app, list, typed, Rect { y: inner.y + 2, height: 3, ..inner }, buffer),
        None => {
            let no = match (several, item.holds) {
                (true, false) => format!("holds {}", name(item.proposed)),
                (true, true) => format!("not {}", name(item.proposed)),
                (false, _) => format!("not {held}"),
            };
            keys(app, &proposed, &no, Rect { y: inner.y + 2, height: 1, ..inner }, buffer);
            choices(app, list, item, Rect { y: inner.y + 3, height: 2, ..inner }, buffer);
        }
    }
    if !list.notes.is_empty() && inner.height >= 8 {
        let notes = text::fit(&text::one_line(&list.notes.join("; ")), usize::from(inner.width));
        buffer.set_string(inner.x, inner.bottom() - 3, notes, theme.warn());
    }
    let bottom = Rect { y: inner.bottom() - 2, height: 2, ..inner };
    progress(app, list, bottom, buffer);
}

/// What was detected and where, why it is shown, and whether its recording is kept aside.
fn detection(app: &App, sighting: &Sighting) -> Line<'static> {
    let theme = app.theme();
    let why = match sighting.chosen {
        Some(Chosen::Score) => "a high score",
        Some(Chosen::Margin) => "a close call",
        Some(Chosen::Spread) => "from another bin of scores",
        Some(Chosen::Random) => "drawn at random",
        None => "",
    };
    let seconds = sighting.end - sighting.start;
    let place = format!("   {}, {seconds:.1} s", text::clock(sighting.start));
    let mut line = Line::from(vec![
        Span::styled("detected  ", theme.dim()),
        Span::styled(text::clean(&sighting.detected), theme.accent().bold()),
        Span::styled(format!(" {:.2}", sighting.score), theme.dim()),
        Span::styled(place, theme.base()),
        Span::styled(format!("   {why}"), theme.dim()),
    ]);
    if sighting.is_aside() {
        line.push_span(Span::styled("   ◇ kept aside as test", theme.warn()));
    }
    line
}

/// The words for what decisions did: changed, kept, ruled out, unsure.
fn kinds(list: &ReviewList) -> [&'static str; 4] {
    match list.about {
        About::Labels => ["changed", "kept", "ruled out", "unsure"],
        About::Detections(_) => ["another class", "right", "wrong", "unsure"],
    }
}

/// How many decisions of each kind there are.
fn tally(list: &ReviewList, counts: [usize; 4], between: &str) -> String {
    let each = counts.iter().zip(kinds(list)).map(|(count, word)| format!("{count} {word}"));
    each.collect::<Vec<_>>().join(between)
}

/// Keys in a row, as far as they fit.
fn row_of(pairs: &[(String, String)], style: [Style; 2], area: Rect, buffer: &mut Buffer) -> usize {
    let mut x = area.x;
    for (number, (key, what)) in pairs.iter().enumerate() {
        let line =
            Line::from(vec![Span::styled(key.clone(), style[0]), Span::raw(" "), Span::styled(what.clone(), style[1])]);
        if x + line.width() as u16 > area.right() {
            return number;
        }
        buffer.set_line(x, area.y, &line, line.width() as u16);
        x += line.width() as u16 + 3;
    }
    pairs.len()
}

fn keys(app: &App, proposed: &str, no: &str, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let pairs = [
        (Action::Decide(Verdict::Yes), format!("yes, {proposed}")),
        (Action::Decide(Verdict::No), no.to_owned()),
        (Action::Decide(Verdict::Background), "none of the classes".to_owned()),
        (Action::Decide(Verdict::Unsure), "unsure".to_owned()),
        (Action::PlayAgain, "again".to_owned()),
    ]
    .map(|(action, what)| (app.key(&action), what));
    row_of(&pairs, [theme.accent(), theme.base()], area, buffer);
}

/// The decision that was made last, and the key that takes it back: a key that was meant for something else, such as a
/// digit for a screen, is noticed here.
fn last_decision(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let Some(made) = app.review.standing().last() else { return };
    let line = Line::from(vec![
        Span::styled(format!("clip {} decided: {}", made.at + 1, words(&made.decision)), theme.good()),
        Span::styled(format!("   {}", app.key_on(Screen::Review, &Action::UndoDecision)), theme.accent()),
        Span::styled(" takes it back", theme.dim()),
    ]);
    buffer.set_line(area.x, area.y, &line, area.width);
}

/// The classes that digits choose.
fn choices(app: &App, list: &ReviewList, item: &ReviewItem, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let probability = |class: usize| item.also.iter().find(|one| one.0 == class).map(|one| one.1);
    let label = list.dataset.items.get(item.index).map(|clip| &clip.label);
    let is_held = |class: usize| matches!(label, Some(Label::Many(known)) if known.contains(&(class, true)));
    let pair = |(digit, class): (usize, usize)| {
        let name = text::fit(list.dataset.classes.get(class).map_or("", String::as_str), 20);
        let held = if is_held(class) { " ✓" } else { "" };
        let of = probability(class).filter(|p| *p >= 0.005).map_or_else(String::new, |p| format!(" {p:.2}"));
        (app.key(&Action::Decide(Verdict::Class(digit))), format!("{name}{held}{of}"))
    };
    let all = app.review.choices();
    let pairs: Vec<(String, String)> = all.iter().copied().take(DIGITS).enumerate().map(pair).collect();
    let shown = row_of(&pairs, [theme.accent(), theme.dim()], Rect { height: 1, ..area }, buffer);
    let second = Rect { y: area.y + 1, height: 1, ..area };
    let rest = &pairs[shown..];
    let words = format!("{} types one of {}", app.key(&Action::TypeClass), all.len());
    let wide = text::width(&words) as u16;
    let room = Rect { width: second.width.saturating_sub(wide + 2), ..second };
    row_of(rest, [theme.accent(), theme.dim()], room, buffer);
    buffer.set_string(area.right().saturating_sub(wide), second.y, words, theme.faint());
}

/// A class being typed, and those that fit.
fn typing(app: &App, list: &ReviewList, typed: &str, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let [take, none] = [Action::Confirm, Action::Cancel].map(|action| app.key(&action));
    let line = Line::from(vec![
        Span::styled("class  ", theme.dim()),
        Span::styled(text::clean(typed), theme.strong()),
        Span::styled("█", theme.accent()),
        Span::styled(format!("   {take} takes the first, {none} none"), theme.faint()),
    ]);
    buffer.set_line(area.x, area.y, &line, area.width);
    let fitting = app.review.fitting();
    let name = |class: &usize| text::clean(list.dataset.classes.get(*class).map_or("", String::as_str));
    let mut line = Line::default();
    for (place, class) in fitting.iter().enumerate() {
        let style = if place == 0 { theme.accent().bold() } else { theme.base() };
        let span = Span::styled(name(class), style);
        if line.width() + span.width() + 3 > usize::from(area.width) {
            break;
        }
        line.push_span(span);
        line.push_span(Span::raw("   "));
    }
    if fitting.is_empty() {
        line = Line::styled("no class has such a name", theme.bad());
    }
    buffer.set_line(area.x, area.y + 1, &line, area.width);
}

/// How many are decided and remain, and where the decisions are.
fn progress(app: &App, list: &ReviewList, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let review = &app.review;
    let (decided, open, counts) = review.counts();
    let bar = gauge(decided as f64 / list.items.len().max(1) as f64, 20, theme.accent(), theme);
    buffer.set_line(area.x, area.y, &bar, 20);
    let text = format!("{open} remain   {}", tally(list, counts, "  "));
    buffer.set_stringn(area.x + 22, area.y, text, usize::from(area.width.saturating_sub(22)), theme.base());
    let file = review.file.as_ref().map(|file| {
        let state = match (review.unwritten(), review.made.is_empty()) {
            (0, true) => "decisions go to ",
            (0, false) => "on disk: ",
            _ => "writing ",
        };
        let why = if file.apart { " (the data cannot be written to)" } else { "" };
        format!("{state}{}{why}", text::clean(&file.path.display().to_string()))
    });
    let file = file.unwrap_or_default();
    let train = Line::from(vec![
        Span::styled(app.key_on(Screen::Review, &Action::TrainAgain) + " ", theme.accent()),
        Span::styled("train again with these", theme.dim()),
    ]);
    let room = area.width.saturating_sub(train.width() as u16 + 2);
    buffer.set_string(area.x, area.y + 1, text::fit(&file, usize::from(room)), theme.faint());
    buffer.set_line(area.right().saturating_sub(train.width() as u16), area.y + 1, &train, train.width() as u16);
}

/// What a list came to.
fn end(app: &App, list: &ReviewList, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme();
    let title = Line::from(vec![Span::styled(text::clean(&list.title), theme.strong())]);
    let inner = Panel::new(title, theme).border(theme.accent()).draw(area, buffer);
    let (decided, open, counts) = app.review.counts();
    let heading = format!(
        "{decided} decided: {}{}",
        tally(list, counts, ", "),
        if open > 0 { format!("; {open} left open") } else { String::new() }
    );
    let (again, back) = match list.detections() {
        None => ("train again with these decisions, and compare on the same clips", Screen::Results),
        Some(detections) => ("train anew on these decisions, as marks in their recordings", detections.from),
    };
    let keys = [
        (Action::TrainAgain, again.to_owned()),
        (Action::TrainOn, "the same, going on from the session's own weights".to_owned()),
        (Action::UndoDecision, "take the last decision back".to_owned()),
        (Action::SearchErrors, "look for likely wrong labels, with these decisions applied".to_owned()),
        (Action::Back, format!("back to {}", back.name())),
    ]
    .map(|(action, what)| (app.key(&action), what));
    let keys: Vec<_> = keys.iter().map(|(key, what)| (key.as_str(), what.clone())).collect();
    let [mut notes, middle] = Layout::vertical([Constraint::Length(6), Constraint::Fill(1)]).areas(inner);
    let estimate = estimate(app, list);
    for sentence in estimate.iter().chain(&thresholds(app, list)).chain(&list.notes) {
        let rows = paragraph(notes, sentence, theme.dim(), buffer);
        (notes.y, notes.height) = (notes.y + rows, notes.height - rows);
    }
    hint(middle, &heading, &keys, theme, buffer);
}

/// How many of those drawn at random are right, which estimates the share of all. Labels that were drawn are shown where
/// their rank puts them, so that a part of them would be of the most doubtful: they count when all are decided.
fn estimate(app: &App, list: &ReviewList) -> Option<String> {
    let (right, all) = app.review.right_at_random();
    if all == 0 {
        return None;
    }
    let open = app.review.open_at_random();
    if open > 0 && matches!(list.about, About::Labels) {
        return Some(format!(
            "{right} of {all} drawn at random keep their label; decide about the other {open} to estimate the share of all"
        ));
    }
    let Interval { low, high } = wilson(right, all, normal_quantile(0.975));
    let (are, whole) = match list.about {
        About::Labels => ("keep their label", "right labels among all that were undecided"),
        About::Detections(_) => ("are right", "right ones among all that were listed"),
    };
    Some(format!(
        "{right} of the {all} drawn at random {are}, which puts the share of {whole} at {low:.2} to {high:.2}"
    ))
}

/// Of detections: the command that chooses thresholds by the decisions.
fn thresholds(app: &App, list: &ReviewList) -> Option<String> {
    let (detections, file) = list.detections().zip(app.review.file.as_ref())?;
    let [session, path] = [&detections.session, &*file.path.to_string_lossy()].map(shell::quoted);
    let command = format!("aat-tui eval {session} --reviewed {path} --precision 0.9 --save-thresholds");
    Some(format!("thresholds by these decisions: {}", text::clean(&command)))
}

/// A decision in words.
fn words(decision: &Decision) -> String {
    match decision {
        Decision::Label { label } => text::clean(label),
        Decision::Not { label } => format!("not {}", text::clean(label)),
        Decision::Background => "none of the classes".to_owned(),
        Decision::Unsure => "unsure".to_owned(),
        Decision::Undo => "taken back".to_owned(),
    }
}
