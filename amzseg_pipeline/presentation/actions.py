"""What to do for a segment: each item of a strategy as an action with its channel and reason."""

from typing import NamedTuple

from amzseg_pipeline.presentation.formatting import capitalized


class Action(NamedTuple):
    """An action, the channel it uses, and why it suits the segment; channel and reason may be empty."""

    text: str
    channel: str = ""
    reason: str = ""


_ACTIONS = {
    "loyalty programme": Action("Invite to the loyalty programme", "email", "they buy and review often"),
    "loyalty points": Action("Reward with loyalty points", "account page", "they come back without discounts"),
    "early access": Action("Give early access to new products", "email", "frequent buyers value it"),
    "exclusive offers": Action("Send exclusive offers", "email", "recognition keeps frequent buyers"),
    "premium recommendations": Action("Recommend premium products", "shop and email", "they pay for better items"),
    "flash sales": Action("Announce flash sales", "push message", "they buy when the discount is deep"),
    "coupons": Action("Send coupons", "email", "a discount decides their purchase"),
    "price-drop alerts": Action("Offer price-drop alerts", "push message", "they wait for lower prices"),
    "personalised recommendations": Action(
        "Recommend products by category", "shop and email", "few reviews show what they like"
    ),
    "onboarding offers": Action("Send an offer for the second order", "email", "most have written one review"),
    "reminders": Action("Remind them after a quiet month", "email", "they return rarely on their own"),
    "bundles": Action("Offer bundles", "shop", "they buy often and look for savings"),
    "subscribe and save": Action("Offer subscriptions with a discount", "shop and email", "they buy regularly"),
    "referral": Action("Ask them to refer a friend", "email", "frequent buyers are credible advocates"),
    "financing": Action("Offer instalments", "checkout", "they buy expensive items"),
    "warranty": Action("Offer an extended warranty", "checkout", "the risk of an expensive item worries buyers"),
    "accessories": Action("Recommend accessories", "email after delivery", "an expensive item needs extras"),
    "next-best category": Action(
        "Recommend the next category", "shop and email", "they buy regularly in few categories"
    ),
    "membership nudge": Action("Suggest a membership", "checkout", "regular orders make it worthwhile"),
    "service recovery": Action("Contact them about bad purchases", "customer service", "their ratings are low"),
    "quality guarantee": Action("Offer a quality guarantee", "email and product page", "bad items cost their trust"),
    "second-purchase offer": Action("Send an offer for the second order", "email", "they were happy once"),
    "ask for a referral": Action("Ask them to refer a friend", "email", "they rate highly"),
    "convenience": Action("Advertise fast and simple delivery", "shop", "they pay the list price for convenience"),
    "low-cost staples": Action("Recommend low-cost staples", "shop and email", "they buy inexpensive items"),
    "no coupons": Action("Do not send coupons", "", "they buy without a discount"),
    "premium clearance": Action("Announce clearance of premium items", "email", "they buy expensive items on sale"),
    "trade-up": Action("Offer a trade-in for a better model", "email", "they pay more if the deal is good"),
    "best-sellers": Action("Recommend best-sellers", "shop and email", "they buy what most people buy"),
    "seasonal campaigns": Action("Include them in seasonal campaigns", "email", "no single trait sets them apart"),
    "better-rated alternatives": Action("Recommend better-rated products", "shop and email", "their ratings are low"),
    "ask what was missing": Action("Ask what was missing", "short survey", "their ratings are low"),
    "ask what went wrong": Action(
        "Ask what went wrong", "personal email", "they review often and rate lower than others"
    ),
    "multipacks": Action("Offer multipacks", "shop", "they look for a low price"),
    "advice before they buy": Action("Offer advice before the purchase", "chat", "they spend much and rate critically"),
    "extended returns": Action("Offer extended returns", "checkout", "they spend much and rate critically"),
    "refer a friend with a coupon": Action(
        "Offer a coupon for referrals", "email", "they like bargains and recommend them"
    ),
    "review rewards": Action("Reward reviews", "email", "they rate highly"),
    "coupon packs": Action("Send packs of coupons", "email", "they buy often and at a discount"),
    "price-drop alerts on what they bought": Action(
        "Alert them when items they buy get cheaper", "push message", "they buy the same items at a discount"
    ),
    "new arrivals": Action("Announce new arrivals", "email", "they buy regularly at full price"),
    "add-on items": Action("Suggest add-on items", "checkout", "their baskets are small"),
    "personal service": Action("Assign a personal contact", "phone", "they spend much and often"),
    "bundles of premium items": Action("Offer bundles of premium items", "shop and email", "they spend much and often"),
    "personal win-back": Action("Win them back personally", "phone", "they bought often and rate lower"),
}


def actions(strategy: str) -> list[Action]:
    """The actions of a comma-separated strategy; an unknown item becomes an action without channel and reason."""
    items = [item for item in map(str.strip, strategy.split(",")) if item]
    return [_ACTIONS.get(item, Action(capitalized(item))) for item in items]


def actions_markdown(strategy: str) -> str:
    """The actions as a Markdown list."""
    return "\n".join(f"- {_line(action)}" for action in actions(strategy))


def _line(action: Action) -> str:
    channel = f" ({action.channel})" if action.channel else ""
    reason = f": {action.reason}" if action.reason else ""
    return f"{action.text}{channel}{reason}"
