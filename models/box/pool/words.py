"""Words and sentences this project wrote for the speech synthesizers."""

DIGITS = "zero one two three four five six seven eight nine".split()

WORDS = """yes no up down left right on off stop go bed bird cat dog happy house
tree wow backward forward follow learn visual marvin sheila hello goodbye please
thanks water fire open close start pause play music sound light dark red green
blue yellow black white big small fast slow hot cold day night morning evening
monday tuesday wednesday thursday friday saturday sunday january april october
ten eleven twelve twenty thirty hundred thousand apple bread milk coffee table
chair door window car train ship river mountain winter summer mother father
school book letter number computer""".split()

LETTERS = "abcdefghijklmnopqrstuvwxyz"

# A few plain sentences a language, for running speech; the rest of the
# languages read the numbers of NUMBERS.
SENTENCES = {
    "en": ["The train leaves at a quarter past nine.", "Please close the window, it is getting cold outside.",
           "She opened the letter and began to read it aloud.", "We walked along the river until the sun went down.",
           "Nobody knows how long the bridge will stay closed.", "Turn left at the church and follow the road uphill.",
           "My brother keeps three bees' nests behind the barn.", "How much does a ticket for two people cost?",
           "The wind blew the leaves across the empty square.", "I have never seen such a large ship in this harbour."],
    "de": ["Der Zug fährt um Viertel nach neun ab.", "Bitte mach das Fenster zu, es wird kalt.",
           "Wir gingen am Fluss entlang, bis die Sonne unterging.", "Wie viel kostet eine Karte für zwei Personen?",
           "Der Wind trieb die Blätter über den leeren Platz."],
    "fr": ["Le train part à neuf heures et quart.", "Ferme la fenêtre, s'il te plaît, il fait froid.",
           "Nous avons marché le long de la rivière.", "Combien coûte un billet pour deux personnes ?",
           "Le vent poussait les feuilles sur la place vide."],
    "es": ["El tren sale a las nueve y cuarto.", "Cierra la ventana, por favor, hace frío.",
           "Caminamos junto al río hasta la puesta del sol.", "¿Cuánto cuesta una entrada para dos personas?",
           "El viento empujaba las hojas por la plaza vacía."],
    "it": ["Il treno parte alle nove e un quarto.", "Chiudi la finestra, per favore, fa freddo.",
           "Abbiamo camminato lungo il fiume.", "Quanto costa un biglietto per due persone?",
           "Il vento spingeva le foglie nella piazza vuota."],
    "pt": ["O comboio parte às nove e um quarto.", "Fecha a janela, por favor, está frio.",
           "Caminhámos ao longo do rio até ao pôr do sol.", "Quanto custa um bilhete para duas pessoas?"],
    "nl": ["De trein vertrekt om kwart over negen.", "Doe het raam dicht, het wordt koud.",
           "We liepen langs de rivier tot de zon onderging.", "Hoeveel kost een kaartje voor twee personen?"],
    "ru": ["Поезд отправляется в четверть десятого.", "Закрой окно, пожалуйста, становится холодно.",
           "Мы шли вдоль реки до самого заката.", "Сколько стоит билет на двоих?"],
    "pl": ["Pociąg odjeżdża kwadrans po dziewiątej.", "Zamknij okno, proszę, robi się zimno.",
           "Szliśmy wzdłuż rzeki aż do zachodu słońca.", "Ile kosztuje bilet dla dwóch osób?"],
    "cs": ["Vlak odjíždí ve čtvrt na deset.", "Zavři okno, prosím, je zima.",
           "Šli jsme podél řeky až do západu slunce.", "Kolik stojí lístek pro dvě osoby?"],
    "sv": ["Tåget går kvart över nio.", "Stäng fönstret, det börjar bli kallt.",
           "Vi gick längs floden tills solen gick ner.", "Hur mycket kostar en biljett för två?"],
    "fi": ["Juna lähtee varttia yli yhdeksän.", "Sulje ikkuna, täällä on kylmä.",
           "Kävelimme jokea pitkin auringonlaskuun asti."],
    "tr": ["Tren dokuzu çeyrek geçe kalkıyor.", "Lütfen pencereyi kapat, hava soğuk.",
           "Güneş batana kadar nehir boyunca yürüdük."],
    "cmn": ["火车九点一刻开。", "请把窗户关上，外面很冷。", "我们沿着河边一直走到太阳下山。", "两个人的票要多少钱？"],
    "ja": ["でんしゃは くじに でます。", "まどを しめて ください。さむいです。", "わたしたちは かわの そばを あるきました。"],
    "hi": ["रेलगाड़ी सवा नौ बजे चलती है।", "कृपया खिड़की बंद कर दो, ठंड हो रही है।", "दो लोगों का टिकट कितने का है?"],
    "ar": ["القطار يغادر في التاسعة والربع.", "أغلق النافذة من فضلك.", "مشينا على طول النهر حتى غروب الشمس."],
    "ko": ["기차는 아홉 시에 떠납니다.", "창문을 닫아 주세요. 날씨가 추워요.", "우리는 강을 따라 걸었습니다."],
    "el": ["Το τρένο φεύγει στις εννέα και τέταρτο.", "Κλείσε το παράθυρο, κάνει κρύο."],
    "hu": ["A vonat negyed tízkor indul.", "Csukd be az ablakot, hideg van."],
    "ro": ["Trenul pleacă la nouă și un sfert.", "Închide fereastra, te rog, este frig."],
    "uk": ["Поїзд відправляється о дев'ятій.", "Зачини вікно, будь ласка, холодно."],
    "vi": ["Tàu hỏa khởi hành lúc chín giờ.", "Làm ơn đóng cửa sổ lại, trời lạnh quá."],
    "sw": ["Treni inaondoka saa tatu na robo.", "Tafadhali funga dirisha, kuna baridi."],
}
NUMBERS = ["417 92 8", "1963 55 30", "7 12 88 204", "3 5 7 11 13", "60 71 82 93"]
MORE_LANGUAGES = ["da", "nb", "is", "et", "lv", "lt", "bg", "sr", "hr", "sk", "sl", "ca", "eu", "ga", "cy",
                  "la", "eo", "fa", "ur", "bn", "ta", "te", "mr", "gu", "pa", "kn", "ml", "ne", "id", "ms",
                  "ka", "hy", "kk", "az", "am", "yue", "my", "th", "he", "af"]
