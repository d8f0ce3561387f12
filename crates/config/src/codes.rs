//! Every code a diagnostic can carry, with the text that `explain` prints.
//!
//! A code is a promise: once shipped its meaning stays, because people search for it. So they are data in one table, in
//! the order of the stages that raise them: reading (E00x), shape (E01x), references (E02x), secrets (E03x), sense
//! (E04x), then warnings (W1xx) and notes (N2xx).

use crate::diagnostic::Severity;

/// What one code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code, such as `E012`.
    pub code: &'static str,
    /// What it says in a few words.
    pub title: &'static str,
    /// Why it is so and what to do.
    pub text: &'static str,
}

impl Explanation {
    /// How serious a diagnostic with this code is: the letter says it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(self.code)
    }
}

/// The explanation of a code, in either case; `None` when there is no such code.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|explanation| explanation.code.eq_ignore_ascii_case(code.trim()))
}

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $text:literal)*) => {
        $(pub(crate) const $name: &str = $code;)*

        /// All codes, in order.
        pub const EXPLANATIONS: &[Explanation] =
            &[$(Explanation { code: $code, title: $title, text: $text }),*];
    };
}

codes! {
    SYNTAX "E001" "not readable as YAML"
        "The file breaks a rule of YAML, so nothing in it can be trusted. Common causes: a tab used for indentation, a \
         colon without a space after it, a quote or bracket that is not closed, a value starting with @ or ` that needs \
         quotes."
    DUPLICATE "E002" "the same name twice in one mapping"
        "YAML readers disagree about which of two equal names counts. Remove one of them."
    NOT_A_MAPPING "E003" "the file is not a mapping"
        "A configuration is a mapping of sections: `server:`, `providers:`, `models:`, `keys:` or the older `gateway:`, \
         `rate_limits:`. `sluicegate config init` prints one to start from."
    UNREADABLE "E004" "the file cannot be read"
        "The configuration file does not exist, may not be read by this user, is larger than 4 MiB or is not UTF-8."

    WRONG_TYPE "E010" "a value of the wrong kind"
        "The field wants another kind of value: text, a number, true or false, a list, a mapping. Times and sizes are \
         written with their unit (`30s`, `32MiB`), numbers without quotes."
    MISSING_FIELD "E011" "a field is missing"
        "This mapping is of no use without the field."
    UNKNOWN_FIELD "E012" "unknown field"
        "No field has this name here. A misspelt name would otherwise be ignored in silence, and the limit or key it was \
         meant to set would not be there. The message lists what is allowed at this place."
    UNKNOWN_WORD "E013" "not one of the words allowed here"
        "The field takes one of a few words; the message lists them."
    BAD_VALUE "E014" "a value that cannot be used"
        "The value has the right kind but makes no sense for this field; the message says why."
    UNSET_VARIABLE "E015" "an environment variable is not set"
        "`${NAME}` in a value stands for an environment variable, and this one is not set. Set it, give a default with \
         `${NAME:-default}`, or write `$${` for a literal `${`. An unset variable is never taken as empty: that is how a \
         provider or a key disappears without a word."
    BAD_INTERPOLATION "E016" "a `${...}` that cannot be read"
        "Write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`. Names are letters, digits and underscores, and do not \
         start with a digit. Write `$${` for a literal `${`."
    BOTH_NAMES "E017" "one setting under two names"
        "`rpm` and `requests_per_minute` mean the same, and so do `tpm` and `tokens_per_minute`, and a provider's \
         `max_concurrency` and `limits.concurrency`. Keep one of them."
    BAD_OVERRIDE "E018" "an override that sets nothing"
        "Environment variables named `SLUICEGATE__SECTION__FIELD` set single values. This one leads through a value that \
         is no section, or its name is incomplete."

    UNKNOWN_PROVIDER "E020" "a provider that is not configured"
        "A target is written `provider/model`, and the part before the first slash must be the name of an entry under \
         `providers:`."
    BAD_TARGET "E021" "not a target"
        "A target is written `provider/model`, for example `openai/gpt-4.1`."
    BAD_WEIGHTS "E022" "weights that lead nowhere"
        "A weighted list needs at least one entry whose weight is above 0."
    ABOVE_GLOBAL "E023" "an endpoint's limit above the global one"
        "Every call counts against the global limit too, so an endpoint can never reach a limit of its own that is \
         higher. One of the two numbers is not what was meant."
    DUPLICATE_NAME "E024" "the same name twice"
        "Names of keys tell them apart in logs and metrics, so each is used once."
    BAD_NAME "E025" "a name that cannot be used"
        "Names of providers and keys stand in URLs, headers and metrics: letters, digits, `-`, `_` and `.`, at most 64, \
         beginning with a letter or digit."
    BAD_URL "E026" "not a URL to call"
        "A base URL is `https://` (or `http://`), a host, perhaps a port and a path. It has no user, query or fragment."
    UNKNOWN_KIND "E027" "what kind of provider this is cannot be told"
        "Say `kind:` (openai, anthropic, gemini, deepseek, azure, openai_compatible, simulated), unless the provider's \
         name is one that is known."
    NOT_FOR_KIND "E028" "a field of another kind of provider"
        "The field means nothing for this kind of provider and would be ignored."
    NO_BASE_URL "E029" "a provider without an address"
        "This kind of provider has no address of its own that everybody uses. Say where it is with `base_url:`."

    NO_KEY "E030" "a key that is not there"
        "The environment variable named for this key is not set or is empty. Nothing falls back to another key or to \
         simulation: a call that was meant to reach a provider must not quietly go elsewhere."
    UNREADABLE_SECRET "E031" "a secret's file cannot be read"
        "The file named for this secret does not exist, may not be read by this user, or is empty."
    BAD_SECRET "E032" "a secret that cannot be sent"
        "A key travels in an HTTP header, so it is visible ASCII text without spaces inside. White space at both ends is \
         removed; what remains has something else in it, often a second line of the file."
    NO_KEY_SOURCE "E033" "no key is named"
        "This kind of provider refuses calls without a key. Name one with `api_key_env:`, `api_key:` or `keys:`."
    MANY_SOURCES "E034" "one secret from several places"
        "Name exactly one place: an environment variable, a file or (not recommended) the value itself."
    BAD_HASH "E035" "not a SHA-256"
        "A SHA-256 is 64 hexadecimal digits. `printf %s \"$KEY\" | sha256sum` prints one."
    SAME_KEY "E036" "two clients with the same key"
        "A call could not be told to belong to the one or the other. Give each client a key of its own."
    OPEN_LISTENER "E040" "open to the network without a key"
        "Whoever can reach this address could spend your money. Add a key under `keys:`, listen on 127.0.0.1, or, if \
         something in front checks who calls, say `insecure_open: true` (`--insecure-open`)."
    BAD_THRESHOLD "E041" "not a threshold"
        "A threshold is `<`, `<=`, `>` or `>=` and a number, with a percent sign exactly where the metric is a share: \
         \"<20%\", \">2000\". It needs quotes in YAML. The number is in the metric's unit, which its name says."
    OUT_OF_RANGE "E042" "a number out of range"
        "The number is outside what can work; the message gives the range."
    BAD_VERSION "E043" "a version of the format that is not known"
        "This program reads version 1. A file of a later version needs a later program."

    CALLS_ITSELF "E044" "a provider that is this relay"
        "The provider's address is the one this relay listens on, so a call would come back to it until something gives \
         way. This happens when a program's own variables, such as OPENAI_BASE_URL, already point at the relay."
    NO_PROVIDER "E045" "nobody to send calls to"
        "No provider is configured. On a listener that only this machine can reach, a simulated one takes its place; on \
         any other that would be a surprise. Add one under `providers:`, or ask for the simulated one with `--sim`."

    ABOVE_LONGER "E046" "more in a short time than in a long one"
        "A second is part of a minute and a minute of an hour, so a limit on the shorter time that is above the one on the \
         longer can never be reached. One of the two numbers is not what was meant."
    UNKNOWN_TENANT "E047" "a tenant that is not defined"
        "A key's `tenant:` must be the name of an entry under `tenants:`, where its limits are. A misspelt name would \
         leave the key without them."
    UNKNOWN_LOWER_TIER "E048" "a lower tier that is not there"
        "`lower_tier:` names the public name of another model: an entry under `models:`."
    NOT_LOWER "E049" "a lower tier that does not lead down"
        "The model named by `lower_tier:` must be of a lower tier (premium, standard, economy) where both say theirs, and \
         going from one to the next must come to an end."

    BAD_PROXY "E050" "not a proxy that can be used"
        "A proxy is `http://host:port`, perhaps with `user:password@` before the host. It comes from `proxy:` or from the \
         variables HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; NO_PROXY lists what is reached without it, and `proxy: direct` \
         does without it for one provider."
    BAD_CA_FILE "E051" "certificates that cannot be read"
        "The file named by `ca_file:` does not exist, may not be read by this user, is larger than 1 MiB, or is not PEM: \
         text with `-----BEGIN CERTIFICATE-----` in it."
    HALF_PRICE "E052" "half a price"
        "A price of tokens says what input and what output cost; the other classes follow from these. What is left out would \
         be given away. Where something costs nothing, write 0. Only a price by the request (`request:`) may leave both out."

    BAD_BUDGET "E053" "not a budget"
        "A budget is an amount and a period: `{ usd: 50, per: day }` or `{ tokens: 1000000, per: month }`. One that bounds \
         both money and tokens is two budgets, in a list."
    TWO_BUDGETS "E054" "two budgets of one kind"
        "Whoever may spend something has at most one budget of money and one of tokens for each length of period."
    UNKNOWN_ZONE "E055" "an unknown time zone"
        "A time zone has a name such as `Europe/Berlin`; which there are is kept by the machine (`timedatectl list-timezones`)."

    UNKNOWN_MOVED_MODEL "E056" "a migration of a model that is not there"
        "A migration moves the calls of one public name: `model:` is an entry under `models:`, whose `to` is where they come \
         from. For calls that name `provider/model` themselves, add an entry of that name."
    OTHER_ORIGIN "E057" "a migration that starts somewhere else"
        "`from:` says where the calls come from, to be sure, and it is not where the model leads. Either the model's `to` has \
         been changed already, or this is another model's migration."
    BAD_STEPS "E058" "steps that cannot be gone"
        "A migration has `steps`, each with a larger share than the one before, or `double_every`. Going back is a rollback, \
         never a smaller step."
    BAD_GUARD "E059" "a guard that cannot decide"
        "A guard names a metric and either how much more than before is allowed (`max_increase`: `1pp` for a rate, `25%` for \
         a time or a cost) or the most it may be (`max`: `5%`, `2s`, `$0.02`)."
    BAD_MIGRATION "E060" "a migration that leads nowhere"
        "Both sides are the same, one has no target, or it is not said what is moved: one `model`, or the `models` of a \
         provider."
    TWO_MIGRATIONS "E061" "two migrations of one model"
        "A call can be moved by one migration only. Finish the one and remove it before the next."

    UNKNOWN_KEY_OF_SIDE "E062" "a key that the provider does not have"
        "A side of a migration names keys by the names that they have in the provider's `keys:`. A key without a name \
         is called after the provider and its place: `openai-1`, `openai-2`."
    SHARED_KEY "E063" "a key that is wanted twice"
        "A key that a new side names is that side's alone, so that nothing else uses it before it is its turn. The old side \
         and all other calls need at least one other key."

    UNKNOWN_CHOSEN "E065" "a choice of a model that is not there"
        "A choice leads to models by their public names, which are the entries under `models:`, or as `provider/model`."

    LITERAL_SECRET "W101" "a secret in the file"
        "Files are copied, committed and mailed. Put the secret into an environment variable or a file of its own and \
         name that instead."
    NO_EFFECT_STEP "W102" "refill_rate_ms without burst_multiplier"
        "Without `burst_multiplier` the limit is an exact sliding window, which is not refilled, so the step has no effect."
    SHORT_TIMEOUT "W103" "a short wait for the first byte"
        "A reasoning model can think for a minute before its first byte. Below 10 s such calls are cut off."
    SMALLER_WINDOW "W104" "a fallback with a smaller context window"
        "A request that fits the first model may not fit this one, so the fallback fails when it is needed."
    OPEN_ON_PURPOSE "W105" "open to the network without a key, on purpose"
        "`insecure_open` is set: whoever can reach this address can spend your money."
    UNKNOWN_ALLOWED "W106" "a key may use a model that does not exist"
        "No alias, provider or listed model has this name, so the entry allows nothing."
    SHADOWS_TARGET "W108" "an alias hides a provider's model"
        "The alias is spelled like `provider/model` of a configured provider, and aliases come first."
    PLAIN_HTTP "W109" "a key over an unencrypted connection"
        "The address is `http://` and not on this machine, so the key can be read on the way."
    ADMIN_IN_PUBLIC "W110" "metrics on the public address"
        "The operator's surface (`/metrics`, `/admin`) shares the address that clients use, and that is reachable from \
         other machines. `server.admin_listen` splits it off."
    STARVES "W112" "one endpoint can use up the whole global limit"
        "The endpoint's own limit is as high as the global one, so its calls alone can leave nothing for the others."
    UNUSED_WEIGHT "W113" "a target that gets no calls"
        "Its weight is 0."
    UNREACHABLE "W114" "a limit that can never be reached"
        "Every call counts against the wider limit too (the tenant's, the provider's, the global one), so the narrower one \
         has no effect above it."
    BELOW_A_CALL "W115" "a token limit smaller than one call"
        "An ordinary call takes a page or two of input and the output that is reserved for it. One that is larger than the \
         whole window can never fit and is refused at once; a bucket admits it when full and goes into debt for it. If \
         requests were meant, use `requests_per_minute`."
    UNUSED_TENANT "W116" "a tenant without keys"
        "No key of the file says `tenant:` with this name, so its limits hold nobody."
    ONE_SIDED_TIER "W117" "a lower tier that nothing falls back to"
        "A call falls back to a lower tier when three things come together: its model has a `lower_tier`, its key (or the \
         key's tenant) has `accept_lower_tier: true`, and the key's mode is `graceful`. Here one of them is missing."
    CLASS_ORDER "W118" "a lower class that gets more"
        "Weights are shares of what is let through while all classes wait, so they should not rise from critical to low."
    BODY_CANNOT_WAIT "W119" "a request too large to wait"
        "`server.max_body` accepts a larger request than all that wait may hold together, so such a one is refused as soon \
         as there is no room at once."
    STEP_OVERFLOWS "W120" "a refill step larger than the bucket"
        "What is refilled at once cannot be more than the bucket holds, so part of each step is lost and the rate is never \
         reached. Make `refill_rate_ms` shorter or `burst_multiplier` larger."
    NO_THRESHOLD "W121" "an alert without a threshold"
        "The entry names a metric and no `alert_threshold`, so nothing is ever raised. All metrics are at /metrics in any \
         case."
    SMALL_SHARE "W122" "a share that looks like a fraction"
        "Shares are measured in percent, so \">0.05\" is a twentieth of a percent, not five. Write the percent sign."
    UNKNOWN_LIMITED "W123" "a limit on a model that is not known"
        "No alias leads to this model, and neither the provider's `models:` nor the price book has it. If it is misspelt, \
         the limit holds no call."
    LONELY_GROUP "W124" "a quota group of one key"
        "Keys that name the same `quota_group` share one account's quota. Only one key names this one, so either the others \
         are spelled differently or the name can go."
    NO_EFFECT_HERE "W125" "a setting without effect here"
        "Something else in the same entry leaves this setting nothing to do; the message says what."
    NO_HELP "W126" "help that nobody can give"
        "`hedge: true` needs a second target to ask, and `fallback_on: [context_length]` a fallback with a larger context \
         window. Here there is none."
    NO_PRIMARY "W127" "a pool in which every key stands by"
        "A key with `role: standby` is used when no primary key can be. Where there is no primary key at all, the standby \
         keys are used all the time."
    KILLS_NOBODY "W128" "a kill switch that stops nothing"
        "SLUICEGATE_MIGRATIONS_KILL names migrations, or says `all`. A name that no migration has sends no calls back."

    PRICES "N201" "where prices come from"
        "Prices come from a dated list inside the program, from the list that `prices.file` names, and from \
         `prices.models`, each before the one ahead of it. A model that is in none of them is unpriced: its cost is unknown, \
         never 0."
    POINTS_HERE "N203" "a variable that points at this relay"
        "Variables such as OPENAI_BASE_URL tell programs where to send calls. When one of them already points at this \
         relay it cannot say where the provider is, so the provider's usual address is taken."
}

#[cfg(test)]
#[path = "codes_tests.rs"]
mod tests;
