"""Signatures as the senders themselves make them: by their libraries, and as they have published them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.http import signatures
from engine.http.call import Call
from engine.http.signatures import sign, signature_check

NOW = 1_800_000_000
BODY = b'{"id": "evt_1", "text": "a\xc3\xa7\xc3\xa3o"}'


def call(body: bytes = BODY, **headers: str) -> Call:
    named = {name.lower().replace("_", "-"): (value,) for name, value in headers.items()}
    return Call("POST", "/hook", (), named, body, None)


def why(options: dict[str, Any], made: Call, now: float = NOW) -> str:
    return signature_check(options)(made, now)


# what the senders' own libraries make


STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def standard(secret: str = STANDARD, at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    from standardwebhooks import Webhook

    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body.decode())
    return {"webhook_id": "msg_1", "webhook_timestamp": str(at), "webhook_signature": signature}


def test_standard_webhooks_by_its_own_library() -> None:
    options = {"preset": "standard_webhooks", "secret": STANDARD}
    assert why(options, call(**standard())) == ""
    assert why(options, call(BODY + b" ", **standard())) != ""
    assert why(options, call(**{**standard(), "webhook_id": "msg_2"})) != ""
    assert why(options, call(**{**standard(), "webhook_timestamp": str(NOW + 1)})) != ""


def test_what_we_send_is_what_standard_webhooks_accepts() -> None:
    import time

    from standardwebhooks import Webhook

    now = int(time.time())
    headers = sign({"preset": "standard_webhooks", "secret": STANDARD}, call(), now, "msg_1")
    assert Webhook(STANDARD).verify(BODY.decode(), headers) == {"id": "evt_1", "text": "ação"}


def test_a_standard_webhook_may_carry_several_signatures_while_keys_change() -> None:
    other = "whsec_" + base64.b64encode(b"f" * 32).decode()
    ours, theirs = standard(), standard(other)
    both = {**ours, "webhook_signature": f"{theirs['webhook_signature']} {ours['webhook_signature']}"}
    assert why({"preset": "standard_webhooks", "secret": STANDARD}, call(**both)) == ""
    assert why({"preset": "standard_webhooks", "secret": [other, STANDARD]}, call(**ours)) == ""
    assert why({"preset": "standard_webhooks", "secret": other}, call(**ours)) != ""
    far = {**ours, "webhook_signature": " ".join(["v1,AAAA"] * 10 + [ours["webhook_signature"]])}
    assert why({"preset": "standard_webhooks", "secret": STANDARD}, call(**far)) != "", "only the first ten are tried"


def test_a_standard_webhook_signed_with_ed25519() -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(private.sign(b"msg_1.%d." % NOW + BODY)).decode()
    headers = {"webhook_id": "msg_1", "webhook_timestamp": str(NOW), "webhook_signature": f"v1a,{signature}"}
    options = {"preset": "standard_webhooks", "secret": public}
    assert why(options, call(**headers)) == ""
    assert why(options, call(b"x", **headers)) != ""
    # the public key is public: it must not do as a shared secret
    forged = hmac.digest(private.public_key().public_bytes_raw(), b"msg_1.%d." % NOW + BODY, "sha256")
    headers["webhook_signature"] = f"v1,{base64.b64encode(forged).decode()}"
    assert why(options, call(**headers)) != ""


def test_stripe_by_its_own_library() -> None:
    import stripe

    secret = "whsec_test"
    signature = stripe.WebhookSignature._compute_signature(f"{NOW}.{BODY.decode()}", secret)
    options = {"preset": "stripe", "secret": secret}
    assert why(options, call(stripe_signature=f"t={NOW},v1={signature}")) == ""
    assert why(options, call(stripe_signature=f"t={NOW},v1=00,v1={signature},v0=11")) == ""
    assert why(options, call(stripe_signature=f"t={NOW},v0={signature}")) != "", "an old scheme is no way down"
    assert why(options, call(stripe_signature=f"v1={signature}")) != ""
    assert why(options, call(stripe_signature=f"t={NOW - 1},v1={signature}")) != ""


def test_what_we_send_is_what_stripe_accepts() -> None:
    import time

    import stripe

    headers = sign({"preset": "stripe", "secret": "whsec_test"}, call(), int(time.time()), "x")
    assert stripe.WebhookSignature.verify_header(BODY.decode(), headers["stripe-signature"], "whsec_test", 300)


def test_slack_by_its_own_library() -> None:
    from slack_sdk.signature import SignatureVerifier

    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    signature = SignatureVerifier(secret).generate_signature(timestamp=str(NOW), body=BODY)
    assert signature is not None
    options = {"preset": "slack", "secret": secret}
    assert why(options, call(x_slack_signature=signature, x_slack_request_timestamp=str(NOW))) == ""
    assert why(options, call(x_slack_signature=signature, x_slack_request_timestamp=str(NOW - 1))) != ""
    ours = sign(options, call(), NOW, "x")
    assert ours == {"x-slack-signature": signature, "x-slack-request-timestamp": str(NOW)}


# what they have published


def test_slack_as_published() -> None:
    """docs.slack.dev, verifying requests from Slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    made = call(body, x_slack_signature=signature, x_slack_request_timestamp="1531420618")
    assert why({"preset": "slack", "secret": "8f742231b10e8888abcd99yyyzzz85a5"}, made, 1531420618) == ""


def test_github_as_published() -> None:
    """docs.github.com, validating webhook deliveries: the values to test an implementation with."""
    made = call(
        b"Hello, World!",
        x_hub_signature_256="sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    )
    assert why({"preset": "github", "secret": "It's a Secret to Everybody"}, made) == ""
    legacy = hmac.new(b"It's a Secret to Everybody", b"Hello, World!", hashlib.sha1).hexdigest()
    assert (
        why({"preset": "github", "secret": "It's a Secret to Everybody"}, call(x_hub_signature=f"sha1={legacy}")) != ""
    )


def test_shopify_as_its_documentation_computes_it() -> None:
    """base64 of HMAC-SHA256 of the raw body with the app's client secret."""
    digest = base64.b64encode(hmac.new(b"hush", BODY, hashlib.sha256).digest()).decode()
    options = {"preset": "shopify", "secret": "hush"}
    assert why(options, call(x_shopify_hmac_sha256=digest)) == ""
    assert why(options, call(BODY.replace(b"1", b"2"), x_shopify_hmac_sha256=digest)) != ""
    assert why(options, call(x_shopify_hmac_sha256=hmac.new(b"hush", BODY, hashlib.sha256).hexdigest())) != ""


def test_meta_as_its_documentation_computes_it() -> None:
    """SHA256 of the payload with the app secret, after ``sha256=``; escaped Unicode is signed as it is sent."""
    body = rb'{"text": "\u00e4\u00f6\u00e5"}'
    digest = hmac.new(b"app-secret", body, hashlib.sha256).hexdigest()
    assert why({"preset": "meta", "secret": "app-secret"}, call(body, x_hub_signature_256=f"sha256={digest}")) == ""


# the generic form, and what is refused


GENERIC = {"header": "X-Sig", "secret": "s3", "signed": "{timestamp}.{body}", "timestamp_header": "X-At"}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "v9="])
@pytest.mark.parametrize("signed", ["{body}", "{method} {path}\n{body}", "a{body}b"])
def test_what_is_signed_by_the_options_passes_by_them(algorithm: str, encoding: str, prefix: str, signed: str) -> None:
    options = {
        "header": "X-Sig", "algorithm": algorithm, "encoding": encoding, "prefix": prefix, "signed": signed,
        "secret": ["other", "s3"],
    }  # fmt: skip
    headers = sign({**options, "secret": "s3"}, call(), NOW, "x")
    assert why(options, call(**headers)) == ""
    assert why(options, call(BODY + b"x", **headers)) != ""
    assert why({**options, "secret": "S3"}, call(**headers)) != ""


@pytest.mark.parametrize(
    ("age", "passes"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (86400 * 365, False)]
)
def test_a_signature_grows_old(age: int, passes: bool) -> None:
    headers = sign(GENERIC, call(), NOW - age, "x")
    assert (why(GENERIC, call(**headers)) == "") is passes
    assert why({**GENERIC, "tolerance": 10**9}, call(**headers)) == ""


@pytest.mark.parametrize("stamp", ["", "NaN", "1e9", " 1", "1_0", "١٢", "-1", "9" * 40, "0x10"])
def test_a_time_is_digits(stamp: str) -> None:
    """Even one that was signed."""
    digest = hmac.new(b"s3", f"{stamp}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert why(GENERIC, call(x_sig=digest, x_at=stamp)) == "there is no readable time of sending"


def test_a_header_that_comes_twice_is_none() -> None:
    headers = sign({"header": "X-Sig", "secret": "s3"}, call(), NOW, "x")
    good = headers["X-Sig"]
    twice = Call("POST", "/hook", (), {"x-sig": (good, good)}, BODY, None)
    assert "came twice" in why({"header": "X-Sig", "secret": "s3"}, twice)


@pytest.mark.parametrize("signature", ["", "sha256=", "é", "00", "a" * 63, "zz" * 32, "a" * 10000])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    for preset in ("github", "shopify", "slack", "stripe", "standard_webhooks"):
        options = {"preset": preset, "secret": STANDARD}
        made = call(
            x_hub_signature_256=signature, x_shopify_hmac_sha256=signature, x_slack_signature=signature,
            x_slack_request_timestamp=str(NOW), stripe_signature=f"t={NOW},v1={signature}",
            webhook_signature=f"v1,{signature}", webhook_id="a", webhook_timestamp=str(NOW),
        )  # fmt: skip
        assert why(options, made) != ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"secret": "x"}, "'header' is missing"),
        ({"header": "X", "secret": ""}, "empty"),
        ({"header": "X"}, "'secret' is missing"),
        ({"header": "X", "secret": "x", "signed": "{timestamp}"}, "does not contain {body}"),
        ({"header": "X", "secret": "x", "signed": "{timestamp}.{body}"}, "'timestamp_header' is missing"),
        ({"header": "X", "secret": "x", "timestamp_header": "T"}, "'{timestamp} in signed' is missing"),
        ({"header": "X", "secret": "x", "signed": "{query}{body}"}, "'{query}' is not part of a call"),
        ({"header": "X", "secret": "x", "tolerance": 5}, "'tolerance' needs a timestamp_header"),
        ({"preset": "github", "secret": "x", "tolerance": 5}, "signs no time"),
        ({"preset": "github", "secret": "x", "header": "X"}, "'header' cannot stand beside 'preset'"),
        ({"preset": "standard_webhooks", "secret": "whsec_!"}, "whsec_ and base64"),
        ({"preset": "standard_webhooks", "secret": "whsec_"}, "too short"),
        ({"preset": "standard_webhooks", "secret": "whpk_aGk="}, "too short"),
    ],
)
def test_options_that_protect_nothing_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        signature_check(options)
    assert says in str(caught.value)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512", "md5"])
@pytest.mark.parametrize("length", [1, 20, 63, 64, 65, 127, 128, 129, 500])
def test_the_keyed_digest_is_the_librarys(algorithm: str, length: int) -> None:
    """Keys shorter than, as long as and longer than a block; the second use is as the first."""
    key, content = bytes(number % 251 for number in range(length)), b"body \x00\xff" * 50
    digest_of = signatures._keyed(key, algorithm)
    wanted = [hmac.digest(key, content, algorithm), hmac.digest(key, b"", algorithm)]
    assert [digest_of(content), digest_of(b"")] == wanted
    assert digest_of(content) == wanted[0]
