"""The words of the small pages of this process, in the language that a browser asks for.

The page itself has its own catalogues, in web/static/languages; here is what is said before it.
"""

from collections.abc import Mapping

RIGHT_TO_LEFT = frozenset({"ar"})
_CATALOGUES: dict[str, dict[str, str]] = {
    "de": {
        "You are logged in": "Sie sind angemeldet",
        "Go on": "Weiter",
        "Log in": "Anmelden",
        "On the machine whose page this is, run this command and open the address it shows."
        " The terminal of “twofold run” shows one, too.": "Führen Sie auf dem Rechner, dem diese"
        " Seite gehört, diesen Befehl aus und öffnen Sie die Adresse, die er zeigt."
        " Auch das Terminal von „twofold run“ zeigt eine.",
        "This address no longer works": "Diese Adresse gilt nicht mehr",
        "Each login address works once, and not for long: ten minutes unless it was made"
        " for a person. Ask who sent it to you, or run this for a new one:": "Jede Anmeldeadresse"
        " gilt einmal und nicht lange: zehn Minuten, wenn sie nicht für eine Person erstellt wurde."
        " Fragen Sie, wer sie Ihnen geschickt hat, oder holen Sie so eine neue:",
    },
    "ar": {
        "You are logged in": "تم تسجيل الدخول",
        "Go on": "متابعة",
        "Log in": "تسجيل الدخول",
        "On the machine whose page this is, run this command and open the address it shows."
        " The terminal of “twofold run” shows one, too.": "على الجهاز صاحب هذه الصفحة، نفّذ هذا"
        " الأمر وافتح العنوان الذي يعرضه. وتعرض طرفية «twofold run» عنوانًا أيضًا.",
        "This address no longer works": "لم يعد هذا العنوان صالحًا",
        "Each login address works once, and not for long: ten minutes unless it was made"
        " for a person. Ask who sent it to you, or run this for a new one:": "يعمل كل عنوان دخول"
        " مرة واحدة ولمدة قصيرة: عشر دقائق، ما لم يُنشأ لشخص معيّن. اسأل من أرسله إليك، أو نفّذ"
        " هذا للحصول على عنوان جديد:",
    },
}


def language_of(headers: Mapping[str, str]) -> str:
    """The first language that the browser asks for and that there are words in; else English."""
    for asked in headers.get("Accept-Language", "").split(","):
        tag = asked.partition(";")[0].strip().lower().partition("-")[0]
        if tag == "en" or tag in _CATALOGUES:
            return tag
    return "en"


def in_language(language: str, text: str) -> str:
    """The text in that language; itself where nobody has said it otherwise."""
    return _CATALOGUES.get(language, {}).get(text, text)
