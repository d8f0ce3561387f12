//! `ledger` and `credits`: accounts and budgets as they are now, the proof that the books add up, and top-ups.

use super::remote::{data_dir, question};
use super::words::fitted;
use crate::cli::{CreditsCommand, LedgerCommand, RemoteArguments};
use crate::outcome::{Code, Outcome, written};
use crate::terminal::{self, DIM, GOOD, WARN};
use http::Method;
use owo_colors::OwoColorize as _;
use sluicegate_control::{CodesPage, CreditPage, LedgerPage, OrdersPage, VerdictPage};
use std::time::Duration;

/// A relay that has not answered a question by then will not.
const LIMIT: Duration = Duration::from_secs(10);
/// Adding up millions of charges takes a while.
const VERIFY_LIMIT: Duration = Duration::from_secs(600);
/// A name that is longer is cut.
const NAME: usize = 40;

pub(crate) fn ledger(command: &LedgerCommand) -> Outcome {
    match command {
        LedgerCommand::Show(arguments) => show(arguments),
        LedgerCommand::Verify(arguments) => verify(arguments),
        LedgerCommand::Export(arguments) => super::copies::export(arguments),
    }
}

fn show(arguments: &RemoteArguments) -> Outcome {
    let (body, page): (String, LedgerPage) = question(&data_dir(arguments), Method::GET, "/admin/api/ledger", LIMIT)?;
    written(terminal::results(&if arguments.json { format!("{body}\n") } else { table(&page) }))?;
    Ok(if page.failing.is_none() { Code::Done } else { Code::No })
}

fn table(page: &LedgerPage) -> String {
    let mut text = String::new();
    if !page.accounts.is_empty() {
        let heading = format!("{:<NAME$}  {:>14}  {:>12}  {:>14}", "ACCOUNT", "BALANCE", "HELD", "LEFT");
        text.push_str(&format!("{}\n", heading.style(DIM)));
    }
    for account in &page.accounts {
        let [balance, held, left] =
            [&account.balance_usd, &account.held_usd, &account.left_usd].map(|amount| format!("${amount}"));
        let name = fitted(&account.name, NAME);
        let other = other(&account.other, "left").map(|other| format!("  {other}")).unwrap_or_default();
        text.push_str(&format!("{name:<NAME$}  {balance:>14}  {held:>12}  {left:>14}{other}\n"));
    }
    if !page.budgets.is_empty() {
        let heading = format!(
            "{:<NAME$}  {:<6}  {:>14}  {:>14}  {:>12}  {:>14}",
            "BUDGET", "PER", "AMOUNT", "USED", "HELD", "LEFT"
        );
        text.push_str(&format!("{}\n", heading.style(DIM)));
    }
    for budget in &page.budgets {
        let money = budget.counts == "usd";
        let [amount, used, held, left] = [&budget.amount, &budget.used, &budget.held, &budget.left]
            .map(|amount| if money { format!("${amount}") } else { format!("{amount} t") });
        let owner = fitted(&budget.owner, NAME);
        let per = &budget.per;
        text.push_str(&format!("{owner:<NAME$}  {per:<6}  {amount:>14}  {used:>14}  {held:>12}  {left:>14}\n"));
    }
    if text.is_empty() {
        text.push_str("nobody has an account or a budget; they are set under keys, tenants and models\n");
    }
    if let Some(why) = &page.failing {
        text.push_str(&format!("{} {why}\n", "the journal cannot be written:".style(WARN)));
    }
    text
}

fn verify(arguments: &RemoteArguments) -> Outcome {
    let (body, page): (String, VerdictPage) =
        question(&data_dir(arguments), Method::GET, "/admin/api/ledger/verify", VERIFY_LIMIT)?;
    let VerdictPage { charges, entries, calls, wrong, .. } = &page;
    let looked = format!("{charges} charges, {entries} other entries and {calls} calls were added up");
    let mut text = format!("{looked}\n");
    if wrong.is_empty() {
        text.push_str(&format!("{}\n", "the books are right".style(GOOD)));
    }
    wrong.iter().for_each(|what| text.push_str(&format!("{} {what}\n", "wrong:".style(WARN))));
    written(terminal::results(&if arguments.json { format!("{body}\n") } else { text }))?;
    Ok(if wrong.is_empty() { Code::Done } else { Code::No })
}

pub(crate) fn credits(command: &CreditsCommand) -> Outcome {
    match command {
        CreditsCommand::Add { account, amount, reference, kind, remote } => {
            let [account, amount, reference] = [account, amount, reference].map(|text| escaped(text));
            let kind = kind.as_str();
            entered(remote, &format!("credits?account={account}&amount={amount}&reference={reference}&kind={kind}"))
        }
        CreditsCommand::Order { account, amount, currency, worth, reference, remote } => {
            let [account, amount, currency] = [account, amount, currency].map(|text| escaped(text));
            let mut path = format!("/admin/api/orders?account={account}&amount={amount}&currency={currency}");
            for (name, text) in [("credit", worth), ("reference", reference)] {
                if let Some(text) = text {
                    path.push_str(&format!("&{name}={}", escaped(text)));
                }
            }
            let (body, page): (String, OrdersPage) = question(&data_dir(remote), Method::POST, &path, LIMIT)?;
            let text: String = page.orders.iter().map(|order| format!("{}\n", order.reference)).collect();
            written(terminal::results(&if remote.json { format!("{body}\n") } else { text }))
        }
        CreditsCommand::Orders { account, remote } => {
            let of = account.as_ref().map(|account| format!("?account={}", escaped(account))).unwrap_or_default();
            let path = format!("/admin/api/orders{of}");
            let (body, page): (String, OrdersPage) = question(&data_dir(remote), Method::GET, &path, LIMIT)?;
            written(terminal::results(&if remote.json { format!("{body}\n") } else { ordered(&page) }))
        }
        CreditsCommand::Redeem { code, account, remote } => {
            entered(remote, &format!("codes/redeem?code={}&account={}", escaped(code), escaped(account)))
        }
        CreditsCommand::Issue { amount, count, note, expires, remote } => {
            let lasts = expires.map(|expires| format!("&lasts_ms={}", expires.millis())).unwrap_or_default();
            let (amount, note) = (escaped(amount), escaped(note));
            let path = format!("/admin/api/codes?count={count}&amount={amount}&note={note}{lasts}");
            let (body, page): (String, CodesPage) = question(&data_dir(remote), Method::POST, &path, LIMIT)?;
            let text: String = page.codes.iter().map(|code| format!("{code}\n")).collect();
            written(terminal::results(&if remote.json { format!("{body}\n") } else { text }))
        }
    }
}

fn ordered(page: &OrdersPage) -> String {
    let heading = format!("{:<32}  {:<NAME$}  {:>14}  {:>14}  PAID", "ORDER", "ACCOUNT", "AMOUNT", "WORTH");
    let mut text = format!("{}\n", heading.style(DIM));
    for order in &page.orders {
        let (amount, worth) = (format!("{} {}", order.amount, order.currency), format!("${}", order.credit_usd));
        let paid = match (&order.service, &order.payment) {
            (Some(service), Some(payment)) => format!("{service} {payment}"),
            _ if order.expires_ms.is_some_and(|at| at <= jiff::Timestamp::now().as_millisecond()) => {
                "expired".to_owned()
            }
            _ => "-".to_owned(),
        };
        let back = order.refunded.as_ref().map(|back| format!(" · {back} given back")).unwrap_or_default();
        let account = fitted(&order.account, NAME);
        text.push_str(&format!("{:<32}  {account:<NAME$}  {amount:>14}  {worth:>14}  {paid}{back}\n", order.reference));
    }
    text
}

/// Has something entered, and shows what the account has now.
fn entered(remote: &RemoteArguments, order: &str) -> Outcome {
    let path = format!("/admin/api/{order}");
    let (body, page): (String, CreditPage) = question(&data_dir(remote), Method::POST, &path, LIMIT)?;
    let now = &page.account;
    let said = if page.new { "entered" } else { "entered before, nothing changed" };
    let other = other(&now.other, "balance").map(|other| format!(" ({other})")).unwrap_or_default();
    let text = format!("{said}; {} has ${}{other}\n", now.name, now.balance_usd);
    written(terminal::results(&if remote.json { format!("{body}\n") } else { text }))
}

/// An amount in the other currency, where money is shown in one: `12.5 CNY`.
pub(super) fn other(fields: &serde_json::Map<String, serde_json::Value>, name: &str) -> Option<String> {
    let mut found = fields.iter().filter_map(|(field, value)| {
        let currency = field.strip_prefix(name)?.strip_prefix('_')?;
        Some(format!("{} {}", value.as_str()?, currency.to_ascii_uppercase()))
    });
    found.next()
}

/// A text as part of a URL.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
