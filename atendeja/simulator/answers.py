"""What the Graph API answers: bodies and HTTP statuses, as in Meta's reference (copies of September 2026)."""

from collections.abc import Sequence

import msgspec

from atendeja.simulator.settings import Number

Answer = tuple[int, dict[str, object]]
"""HTTP status and JSON body."""

ERRORS: dict[int, tuple[int, str, str]] = {
    0: (401, "AuthException", "We were unable to authenticate the app user."),
    1: (400, "API Unknown", "Invalid request or possible server error."),
    2: (503, "API Service", "Temporary due to downtime or due to being overloaded."),
    3: (500, "API Method", "Capability or permissions issue."),
    4: (400, "Application request limit reached", ""),
    10: (403, "Application does not have permission for this action", ""),
    33: (400, "Parameter value is not valid", "The business phone number has been deleted."),
    100: (400, "Invalid parameter", "The request included one or more unsupported or misspelled parameters."),
    190: (401, "Access token has expired", ""),
    368: (403, "Temporarily blocked for policies violations", "The account has been restricted for violating a platform policy."),
    613: (400, "Calls to this api have exceeded the rate limit.", ""),
    80007: (400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    130429: (429, "Rate limit hit", "Cloud API message throughput has been reached."),
    130472: (400, "User's number is part of an experiment", "The message was not sent as part of an experiment."),
    130497: (403, "Business account is restricted from messaging users in this country", ""),
    131000: (500, "Something went wrong", "Message failed to send due to an unknown error."),
    131005: (403, "Access denied", "Permission is either not granted or has been removed."),
    131008: (400, "Required parameter is missing", "The request is missing a required parameter."),
    131009: (400, "Parameter value is not valid", "One or more parameter values are invalid."),
    131016: (500, "Service unavailable", "A service is temporarily unavailable."),
    131021: (400, "Recipient cannot be sender", "Sender and recipient phone number is the same."),
    131026: (400, "Message undeliverable", "Message Undeliverable."),
    131030: (400, "Recipient phone number not in allowed list", "Recipient phone number not in allowed list."),
    131031: (403, "Account has been locked", "Business account has been locked."),
    131037: (400, "Display name approval needed", "The number's display name has not been approved."),
    131042: (400, "Business eligibility payment issue", "There was an error related to your payment method."),
    131045: (500, "Incorrect certificate", "Message failed to send due to a phone number registration error."),
    131047: (400, "Re-engagement message", "More than 24 hours have passed since the recipient last replied to the sender number."),
    131048: (400, "Spam rate limit hit", "Message failed to send because many messages were blocked or flagged as spam."),
    131049: (400, "Meta chose not to deliver", "Not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "User stopped marketing messages", "The user has chosen to stop receiving marketing messages."),
    131051: (400, "Unsupported message type", "Unsupported message type."),
    131053: (400, "Media upload error", "Unable to upload the media used in the message."),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit", "Too many messages to the same phone number."),
    131057: (500, "Account in maintenance mode", "Business Account is in maintenance mode."),
    131062: (400, "BSUID recipient not supported", "Business-scoped user ids are not supported for this message."),
    131063: (400, "Marketing messages switched off on Cloud API", ""),
    131064: (400, "Template misclassification limit", ""),
    132000: (400, "Number of parameters does not match the expected number of params", "Parameter count differs."),
    132001: (404, "Template name does not exist in the translation", "The template does not exist or is not approved."),
    132005: (400, "Translated text too long", "The filled-in text is too long."),
    132007: (400, "Template format character policy violated", "The content violates a policy."),
    132012: (400, "Parameter format does not match format in the created template", "Format mismatch."),
    132015: (400, "Template is paused", "Template is paused due to low quality."),
    132016: (400, "Template is disabled", "Template is disabled."),
    132018: (400, "Template validation error", "There is an issue with the parameters of the template."),
    133004: (503, "Server temporarily unavailable", "Try again later."),
    133010: (400, "Account not registered", "Phone number not registered on the platform."),
    133016: (400, "Account register deregister rate limit exceeded", "Too many attempts for this phone number."),
    134102: (500, "Template unavailable", ""),
    135000: (400, "Generic user error", "Message failed to send because of an unknown error with the request parameters."),
}
"""Code → HTTP status, title, details. An unlisted code is answered with 400 and a made-up title."""

TRACE = "AsIm00000000000000000000"


def sent(to_or_user_id: str, *, wa_id: str | None, user_id: str, wamid: str, message_status: str | None = None) -> Answer:
    """An accepted message: a phone is answered with its `wa_id`, a BSUID with `user_id`."""
    known = {"wa_id": wa_id} if wa_id is not None else {"user_id": user_id}
    message = {"id": wamid} if message_status is None else {"id": wamid, "message_status": message_status}
    return 200, {"messaging_product": "whatsapp", "contacts": [{"input": to_or_user_id, **known}], "messages": [message]}


def uploaded(media_id: str) -> Answer:
    return 200, {"id": media_id}


def success() -> Answer:
    return 200, {"success": True}


def phone_number(number: Number) -> Answer:
    """What `GET /{phone_number_id}` knows of a number that is in order."""
    return 200, {
        "id": number.phone_number_id,
        "display_phone_number": f"+{number.display_phone_number}",
        "verified_name": number.verified_name,
        "name_status": "APPROVED",
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "platform_type": "CLOUD_API",
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
    }


def account(number: Number) -> Answer:
    """What `GET /{waba}` knows of the account of a number."""
    owner = {"id": number.portfolio_id, "name": number.verified_name}
    return 200, {"id": number.waba_id, "name": number.verified_name, "timezone_id": "25", "owner_business_info": owner}


def phone_numbers(numbers: Sequence[Number]) -> Answer:
    """`GET /{waba}/phone_numbers`, on one page."""
    fields = ("id", "display_phone_number", "verified_name", "quality_rating", "code_verification_status")
    return 200, {"data": [{name: phone_number(number)[1][name] for name in fields} for number in numbers]}


def subscribed_apps(*, is_subscribed: bool) -> Answer:
    app = {"whatsapp_business_api_data": {"id": "800000000000001", "link": "https://atende.example/", "name": "AtendeJá"}}
    return 200, {"data": [app] if is_subscribed else []}


def error(code: int, details: str | None = None) -> Answer:
    """The refusal of this code in Meta's words; `details` replaces the usual ones."""
    status, title, usual = ERRORS.get(code, (400, "Error", ""))
    fault: dict[str, object] = {"message": f"(#{code}) {title}", "type": "OAuthException", "code": code}
    said = usual if details is None else details
    if said:
        fault["error_data"] = {"messaging_product": "whatsapp", "details": said}
    return status, {"error": fault | {"fbtrace_id": TRACE}}


def wrong_token() -> Answer:
    return 401, {
        "error": {
            "message": "Error validating access token: The token has expired.",
            "type": "OAuthException",
            "code": 190,
            "error_subcode": 463,
            "fbtrace_id": TRACE,
        }
    }


def unknown_id(meta_id: str, verb: str) -> Answer:
    """Of a number, or of a file."""
    what = f"Unsupported {verb} request. Object with ID '{meta_id}' does not exist, "
    return 400, {
        "error": {
            "message": what + "cannot be loaded due to missing permissions, or does not support this operation.",
            "type": "GraphMethodException",
            "code": 100,
            "error_subcode": 33,
            "fbtrace_id": TRACE,
        }
    }


def failed_status_error(code: int) -> dict[str, object]:
    """One element of `errors[]` in a `failed` status."""
    _, title, details = ERRORS.get(code, (400, "Error", ""))
    return {
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details or title},
        "href": "/documentation/business-messaging/whatsapp/support/error-codes",
    }


encode = msgspec.json.Encoder().encode
