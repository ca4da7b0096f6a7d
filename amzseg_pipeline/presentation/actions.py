"""What to do for a segment: each item of a strategy as an action with its channel and reason."""

from typing import NamedTuple

from amzseg_pipeline.presentation.formatting import capitalized


class Action(NamedTuple):
    """An action, the channel it uses, and why it suits the segment; channel and reason may be empty."""

    text: str
    channel: str = ""
    reason: str = ""


ACTIONS: dict[str, Action] = {
    "loyalty programme": Action(
        "Invite to the loyalty programme", "email", "they review more and pay more than others"
    ),
    "loyalty points": Action("Reward with loyalty points", "account page", "they buy at small discounts"),
    "early access": Action("Give early access to new products", "email", "active customers value it"),
    "exclusive offers": Action("Send exclusive offers", "email", "recognition keeps active customers"),
    "premium recommendations": Action("Recommend premium products", "shop and email", "they pay for better items"),
    "flash sales": Action("Announce flash sales", "push message", "they buy at deep discounts"),
    "coupons": Action("Send coupons", "email", "they choose discounted items"),
    "price-drop alerts": Action("Offer price-drop alerts", "push message", "they buy at reduced prices"),
    "personalised recommendations": Action(
        "Recommend products by category", "shop and email", "averages say little about what they like"
    ),
    "onboarding offers": Action("Send an offer for the next order", "email", "it invites another purchase"),
    "reminders": Action("Remind them after a quiet month", "email", "a reminder costs little"),
    "bundles": Action("Offer bundles", "shop", "they review more than others and look for savings"),
    "subscribe and save": Action(
        "Offer subscriptions with a discount", "shop and email", "they review more than others"
    ),
    "referral": Action("Ask them to refer a friend", "email", "active customers are credible advocates"),
    "financing": Action("Offer instalments", "checkout", "they buy expensive items"),
    "warranty": Action("Offer an extended warranty", "checkout", "the risk of an expensive item worries buyers"),
    "accessories": Action("Recommend accessories", "email after delivery", "an expensive item needs extras"),
    "next-best category": Action("Recommend the next category", "shop and email", "they review more than others"),
    "membership nudge": Action("Suggest a membership", "checkout", "it pays off for active customers"),
    "service recovery": Action("Contact them about bad purchases", "customer service", "their ratings are low"),
    "quality guarantee": Action("Offer a quality guarantee", "email and product page", "bad items cost their trust"),
    "second-purchase offer": Action("Send an offer for the next order", "email", "they rate highly"),
    "ask for a referral": Action("Ask them to refer a friend", "email", "they rate highly"),
    "convenience": Action("Advertise fast and simple delivery", "shop", "they pay close to the list price"),
    "low-cost staples": Action("Recommend low-cost staples", "shop and email", "they buy inexpensive items"),
    "no coupons": Action("Do not send coupons", "", "they buy at small discounts"),
    "premium clearance": Action("Announce clearance of premium items", "email", "they buy expensive items on sale"),
    "trade-up": Action("Offer a trade-in for a better model", "email", "they buy expensive items at a discount"),
    "best-sellers": Action("Recommend best-sellers", "shop and email", "no single trait sets them apart"),
    "seasonal campaigns": Action("Include them in seasonal campaigns", "email", "no single trait sets them apart"),
    "better-rated alternatives": Action("Recommend better-rated products", "shop and email", "their ratings are low"),
    "ask what was missing": Action("Ask what was missing", "short survey", "their ratings are low"),
    "ask what went wrong": Action(
        "Ask what went wrong", "personal email", "they review more and rate lower than others"
    ),
    "multipacks": Action("Offer multipacks", "shop", "they buy inexpensive items"),
    "advice before they buy": Action(
        "Offer advice before the purchase", "chat", "they buy expensive items and rate lower than others"
    ),
    "extended returns": Action(
        "Offer extended returns", "checkout", "they buy expensive items and rate lower than others"
    ),
    "refer a friend with a coupon": Action(
        "Offer a coupon for referrals", "email", "they buy at deep discounts and rate highly"
    ),
    "review rewards": Action("Reward reviews", "email", "they rate highly"),
    "coupon packs": Action(
        "Send packs of coupons", "email", "they review more and buy at deeper discounts than others"
    ),
    "price-drop alerts on what they bought": Action(
        "Alert them when items they buy get cheaper", "push message", "they buy at deep discounts"
    ),
    "new arrivals": Action("Announce new arrivals", "email", "they review more than others and buy at small discounts"),
    "add-on items": Action("Suggest add-on items", "checkout", "they buy inexpensive items"),
    "personal service": Action("Assign a personal contact", "phone", "they review more and pay more than others"),
    "bundles of premium items": Action(
        "Offer bundles of premium items", "shop and email", "they review more and pay more than others"
    ),
}


def actions(strategy: str) -> list[Action]:
    """The actions of a comma-separated strategy; an unknown item becomes an action without channel and reason."""
    items = [item for item in map(str.strip, strategy.split(",")) if item]
    return [ACTIONS.get(item, Action(capitalized(item))) for item in items]


def actions_markdown(strategy: str) -> str:
    """The actions as a Markdown list."""
    return "\n".join(f"- {_line(action)}" for action in actions(strategy))


def _line(action: Action) -> str:
    channel = f" ({action.channel})" if action.channel else ""
    reason = f": {action.reason}" if action.reason else ""
    return f"{action.text}{channel}{reason}"
