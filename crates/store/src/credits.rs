//! Credits, corrections and redemption codes: what operators and customers enter, not calls.
//!
//! They are few, so each is a transaction of its own that is durable when it returns. A reference is entered once: entering
//! it again with the same account and amount changes nothing, and with another is an error. A code is redeemed by one
//! statement that only one of many can win.

use crate::error::StoreError;
use crate::sums::add_to_book;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use sluicegate_ledger::{AccountTerms, Book, Kind, LedgerEntry};
use sluicegate_vocabulary::Money;

/// Whether an entry was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It was.
    New,
    /// It had been made before.
    Before,
}

/// Why a code was not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such code.
    #[error("there is no such code")]
    Unknown,
    /// Somebody redeemed it before.
    #[error("the code has been redeemed")]
    Used,
    /// Its time is over.
    #[error("the code has expired")]
    Expired,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for RedeemError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A redemption code: 80 random bits in letters that nobody confuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// Makes a code from random bits, of which 80 are used.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let letter =
            |place: u32| ALPHABET.get((bits >> (5 * place) & 31) as usize).map_or('0', |byte| char::from(*byte));
        let mut text = String::with_capacity(19);
        for place in 0..16 {
            if place % 4 == 0 && place > 0 {
                text.push('-');
            }
            text.push(letter(place));
        }
        Self(text)
    }

    /// Makes a code that nobody can guess.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new() -> Result<Self, StoreError> {
        let mut bits = [0; 16];
        aws_lc_rs::rand::fill(&mut bits).map_err(|_| StoreError::NoRandom)?;
        Ok(Self::from_random(u128::from_ne_bytes(bits)))
    }

    /// The code, to be shown once.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hash(text: &str) -> [u8; 32] {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        Sha256::digest(plain.as_bytes()).into()
    }
}

/// An account as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// Its name.
    pub name: String,
    /// Its balance.
    pub balance: Money,
    /// What bounds it.
    pub terms: AccountTerms,
}

pub(crate) fn open_account(
    main: &mut Connection,
    name: &str,
    terms: AccountTerms,
    now_ms: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET floor = excluded.floor, low = excluded.low";
    main.execute(sql, params![name, terms.floor.nanos(), terms.low.nanos(), now_ms])?;
    Ok(())
}

pub(crate) fn accounts(main: &Connection) -> Result<Vec<StoredAccount>, StoreError> {
    let sql = "SELECT a.name, coalesce(b.balance, 0), a.floor, a.low
        FROM accounts a LEFT JOIN books b ON b.name = 'account:' || a.name ORDER BY a.name";
    let mut query = main.prepare(sql)?;
    let rows = query.query_map([], |row| {
        let money = |at| row.get(at).map(Money::from_nanos);
        let terms = AccountTerms { floor: money(2)?, low: money(3)? };
        Ok(StoredAccount { name: row.get(0)?, balance: money(1)?, terms })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn credit(
    main: &mut Connection,
    kind: Kind,
    reference: &str,
    account: &str,
    amount: Money,
    now_ms: i64,
) -> Result<Entered, StoreError> {
    let entry = LedgerEntry::credit(reference, now_ms, kind, account, amount)?;
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let entered = enter(&transaction, &entry, account, amount)?;
    transaction.commit()?;
    Ok(entered)
}

pub(crate) fn enter(
    transaction: &Transaction<'_>,
    entry: &LedgerEntry,
    account: &str,
    amount: Money,
) -> Result<Entered, StoreError> {
    let kind = entry.kind.as_str();
    let before: Option<(String, i64)> = transaction
        .query_row(
            "SELECT account, amount FROM entries WHERE kind = ?1 AND reference = ?2",
            [kind, &entry.reference],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    match before {
        Some((of, nanos)) if of == account && nanos == amount.nanos() => return Ok(Entered::Before),
        Some(_) => return Err(StoreError::Conflict(entry.reference.clone())),
        None => {}
    }
    transaction.execute(
        "INSERT INTO entries(kind, reference, at_ms, account, amount) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![kind, entry.reference, entry.at_ms, account, amount.nanos()],
    )?;
    for (book, amount) in &entry.postings {
        add_to_book(transaction, book, amount.nanos())?;
    }
    debug_assert!(entry.postings.iter().any(|(book, _)| matches!(book, Book::Account(_))));
    Ok(Entered::New)
}

pub(crate) fn add_codes(
    main: &mut Connection,
    codes: &[Code],
    amount: Money,
    expires_ms: Option<i64>,
    note: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for code in codes {
        transaction.execute(
            "INSERT INTO codes(hash, amount, expires_ms, created_ms, note) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![Code::hash(code.as_str()), amount.nanos(), expires_ms, now_ms, note],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

pub(crate) fn redeem(main: &mut Connection, code: &str, account: &str, now_ms: i64) -> Result<Money, RedeemError> {
    let hash = Code::hash(code);
    let transaction = main.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let won = transaction.execute(
        "UPDATE codes SET account = ?1, redeemed_ms = ?2
         WHERE hash = ?3 AND redeemed_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?2)",
        params![account, now_ms, hash],
    )?;
    let found: Option<(i64, Option<i64>)> = transaction
        .query_row("SELECT amount, redeemed_ms FROM codes WHERE hash = ?1", [hash], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let amount = match found {
        None => return Err(RedeemError::Unknown),
        Some((amount, _)) if won == 1 => Money::from_nanos(amount),
        Some((_, Some(_))) => return Err(RedeemError::Used),
        Some((_, None)) => return Err(RedeemError::Expired),
    };
    let reference: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let entry = LedgerEntry::credit(&reference, now_ms, Kind::Code, account, amount).map_err(StoreError::from)?;
    enter(&transaction, &entry, account, amount)?;
    transaction.commit()?;
    Ok(amount)
}
