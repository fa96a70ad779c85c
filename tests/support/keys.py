"""Keys that were published, with what they came to."""

KOENIGSTEINER_2019 = {
    "Baden-Württemberg": "13.04061",
    "Bayern": "15.56072",
    "Berlin": "5.18995",
    "Brandenburg": "3.02987",
    "Bremen": "0.95379",
    "Hamburg": "2.60343",
    "Hessen": "7.43709",
    "Mecklenburg-Vorpommern": "1.98045",
    "Niedersachsen": "9.39533",
    "Nordrhein-Westfalen": "21.07592",
    "Rheinland-Pfalz": "4.81848",
    "Saarland": "1.19827",
    "Sachsen": "4.98208",
    "Sachsen-Anhalt": "2.69612",
    "Schleswig-Holstein": "3.40578",
    "Thüringen": "2.63211",
}
"""Percent; GaFinHG § 5 (1)."""

GAFINHG_CENTS = {
    "Baden-Württemberg": 35_861_677_500,
    "Bayern": 42_791_980_000,
    "Berlin": 14_272_362_500,
    "Brandenburg": 8_332_142_500,
    "Bremen": 2_622_922_500,
    "Hamburg": 7_159_432_500,
    "Hessen": 20_451_997_500,
    "Mecklenburg-Vorpommern": 5_446_237_500,
    "Niedersachsen": 25_837_157_500,
    "Nordrhein-Westfalen": 57_958_780_000,
    "Rheinland-Pfalz": 13_250_820_000,
    "Saarland": 3_295_242_500,
    "Sachsen": 13_700_720_000,
    "Sachsen-Anhalt": 7_414_330_000,
    "Schleswig-Holstein": 9_365_895_000,
    "Thüringen": 7_238_302_500,
}
"""What 2.75 billion euro by this key came to, in cents; GaFinHG § 5 (1)."""
