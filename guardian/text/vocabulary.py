"""Common English words, most frequent first: the evidence that a clean-up produced language and not noise.

Every heuristic of the obfuscation views (leetspeak, spaced letters, text written backwards, decoded bytes) asks
here before it believes itself, which is what keeps ordinary prose, code and identifiers free of extra views.

Source: words of 3 to 16 letters in at least 12 texts of at least 5 of the project's English training sets, by the
number of texts, the short ones picked by hand; then names of hazards by hand. The list is English only.
"""

from __future__ import annotations

import math
from functools import cache

LONGEST = 16
"""Letters in the longest word that :func:`segment` looks for."""

_UNKNOWN_LETTER_COST = 14.0
"""Cost of a letter that belongs to no word, in nats; above the rarest word's share per letter."""


@cache
def costs() -> dict[str, float]:
    """Each word with its cost in nats: the log of its rank, by Zipf's law, plus a constant for the word break."""
    return {word: math.log(rank + 2.0) + 2.0 for rank, word in enumerate(_WORDS.split())}


def word_set(words: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(words.split())


def is_word(word: str) -> bool:
    """Whether `word`, in any case, is in the list."""
    return word.lower() in costs()


def is_inflected(word: str) -> bool:
    """Whether `word` is in the list, or is a listed word of four letters or more with a regular ending."""
    known, lowered = costs(), word.lower()
    if lowered in known:
        return True
    for ending in ("s", "es", "ed", "d", "ing", "er", "ers", "ly"):
        stem = lowered.removesuffix(ending)
        if stem != lowered and len(stem) >= 4 and (stem in known or (ending == "ing" and stem + "e" in known)):
            return True
    return False


def segment(letters: str) -> list[str]:
    """Splits a run of letters without spaces into the likeliest words.

    Args:
        letters: lower-case letters, n of them.

    Returns:
        The pieces in order; joined they are `letters` again. A letter outside any word is a piece of its own.
        The cheapest split under :func:`costs`, by dynamic programming in O(n * LONGEST) steps.
    """
    known = costs()
    best = [0.0]
    back = [0]
    for end in range(1, len(letters) + 1):
        cost, start = best[end - 1] + _UNKNOWN_LETTER_COST, end - 1
        for first in range(max(0, end - LONGEST), end):
            word_cost = known.get(letters[first:end])
            if word_cost is not None and best[first] + word_cost < cost:
                cost, start = best[first] + word_cost, first
        best.append(cost)
        back.append(start)
    pieces: list[str] = []
    end = len(letters)
    while end:
        pieces.append(letters[back[end] : end])
        end = back[end]
    return pieces[::-1]


def known_share(words: list[str], shortest: int = 3) -> float:
    """Share of the letters of `words` (0 to 1) that lie in listed words of at least `shortest` letters."""
    total = sum(map(len, words))
    known = sum(len(word) for word in words if len(word) >= shortest and is_word(word))
    return known / total if total else 0.0


_WORDS = """
the and you for that can with how are this your not what from have about use any but their provide like
should all some such make create information people help more which will into without following write would
they using please them when way other who need ethical just also could new has illegal was cannot there
important one answer while request out now get these where want been may generate time activities legal used
response instructions first only its know system unethical being remember sorry potential most sure someone
language always best against through include ensure security including then than why explain well must
access here data user based post avoid question tell safety list specific take analyze ways find code our
instead suggest content does say world consequences given between guidance before personal sentence give
different questions name social feel guidelines two good after own support even each others work start over
think his model assistance better online harm however above harmful example words understand life high
public assist prompt respond never steps input actions respect person medical follow many text creating
individuals set might making output key describe return assistant address story step end try those email
within asking keep script character change were possible act things free fake number engaging during python
process identify real behavior health ask something call long cause methods consider rules research because
right message account anyone tools implications guide group refuse plan both company media importance
protect team share see human her anything away had else last file money place law function every network
promote back develop common clear look ignore characters discuss order users very down off home privacy
nature safe often additionally encourage next various risks let fulfill focus string stay print known advice
result check details professional of to in is it on be by at as or an if we do no so my up he me us go am a
i same day detailed much open form once self secure writing program getting type software lead systems did
design too engage three report line looking original steal part made task around main come going really
serious yourself control year learn financial violation him understanding sensitive still test concerns
context goal black knowledge potentially standards positive word another appropriate results improve means
reply care resources technology she add role service command power certain ever strategies impact multiple
previous few great topic friend date instruction directly responsible practices evil website spread true
among under issues trying environment emphasize prevent society history techniques necessary mean got
experience able reach effective body called programming offer family doctor state show imagine large play
maintain target since note said yes unique false discussion tool years city risk point password news gain
government situation due comment patient learning translate providing physical activity states break article
laws computer caught review available tone legitimate sharing final working found business approach method
communication finally game small short phishing malicious course violence full tips works community country
local attack responses involves area idea training action read benefits services dangerous consent needs
nonsensical commit united general done detection initial secret car below treatment maintaining strong begin
rather provided science having video everyone measures send manipulate case evidence seek helpful happy stop
contact commands run location love current man identity prioritize sense policy taking summarize purposes
format related warning mental examples school recent private negative white highly allow title policies
store until phone purpose development hacking options statement uses project political trust product market
individual numbers old future designed lives style attention job movie ensuring official features actually
proper damage mind sources accounts groups choose elements women believe severe food creative little rights
value simple educational several reduce whether fictional points natural less server named conversation kind
put requests practical drugs unauthorized achieve import appears verify hate link face traffic english
explore treat card level especially promoting across vulnerabilities hope requested crime exploit setting
recommend sexual hey needed source phrases age times complex attacks light doing friends nothing takes
further night query considered bank everything terms propose layer includes device obtain problem talk
alternative analysis class towards feeling thing together additional bad red today term boundaries awareness
become least malware goes document past according suspicious intelligence implement similar water ideas
devices fiction ability side space top quality issue matter machine careful respectful reframe mission items
significant says pay correct hack web second error super makes members dialogue dark house fun asked five
build causing integrity healthcare quickly internet effects increase files lot messages accurate spanish
heard present low skills young building strategy image popular study party week special keeping american
fraud specifically summary allows deep changes speech search concept difficult enhance days manner hard drug
emotions update performance art factors typically crucial subject friendly handle healthy criminal tactics
moral energy education credit likely property layers behind wrong theft perform associated hello live values
events thread involved again saying left log hours management scenario areas bypass windows fact member book
sometimes highlight ethics john piece cultural authorities products major promotes expand seeking enough
considering practice event emotional national explicit interested platforms death patients position complete
types effectively chat returns violent thoughts symptoms critical relationship bring thought leave digital
scene historical field running materials taken threats claims helps particular shared internal stealing
detail third restrictions remove emails application easy themselves students organization platform inputs
child regulations offensive thinking determine living problems recently though regarding customer regardless
essential fully hide app view usually religious continue humans letters giving principles myself created
feedback therefore latest single race kill conditions communicate countries block feelings description
compliance provides challenges beliefs buy comes ultimate woman allowed seems artificial series involve
required wants success advanced testing looks path industry upon global big execute opinions seen track page
relevant close pain intent trusted total companies records opinion virus modern relationships student option
either worth requires stories amount cybersecurity exactly adversarial successful force soon comply hand
contain direct replace join gay condition children south watch install structure background modify hold
phrase solution manage far sent scams influence notes database spreading move login loss experiences chinese
air length misleading sound tutorial described extreme enter along comments yet version protection decision
perspective goals toxic rule hidden developed early outline easily hear gather period raise office detect
object javascript range answers status already credentials culture actual planning drive weapons rewrite
employees monitor letter fear extremely simply scientific cover inside links mentioned anyways recognize
implements paper encoding remind scam suggestions threat settings immediately completely narrative normal
personality bot creation carefully overall breaking cases patterns avoiding click finding figure growth
leading entire tasks turn audience aware sell thank tip express decisions reasons music higher cut academic
started went download war maybe site head opportunities java tax reason gender economic international
comprehensive quick argument north shell allowing tasked men street encrypted hypothetical told extract
inform cars engineering regularly sex programmed powerful room topics blocking trick four earth bit fair
claim lost customers film organizations difference dangers police clearly repeat daily size algorithm
persuasive animals dog outside later monitoring heart expert central consult perfect suicide written
discussing websites reputation record regular enjoy attempts require campaign apologize passwords safely
okay limited sentences classify showing constructive teach names caused vulnerable animal contains adhere
playing seem unless inappropriate interest fire discovered wait forget table save standard generally
material enforcement rate communities educate meeting networks apply cost color applications contribute
directory properly meaning disabled sales display conflict absolutely advise ones stress remote feature
misinformation google readers meet produce addresses muslims statements documents wanted talking selling
carry solutions fuck attempt throughout informed marketing authentication shows lines efficient connect
focusing york reality developing variety exercise choice david pressure mode games travel cloud situations
longer offers novel justify client reports interactions trading conflicts strongly essay starting
discrimination technologies classic virtual forum clean library technical blog convince manager confidential
channels die fight rest connection fucking emergency climate profile mitigate extra bomb investment
medication blue lack minutes appear plot recommended payment behaviors september near exploring facilitate
brief interesting calculate existing responsibly weight advantage trans fine voice ready console lower
encryption psychological anti places trained challenge center parents basic forward abuse plans reading
subtle certainly production delete middle levels remain whole sum posted conduct spot sign sports mobile
transactions sleep population compare base release willing usage gets pretty follows leaving aspects deal
primary depression respecting updates itself china convert separate engine causes reminder america array
parts permission algorithms quite calls encourages reddit late adult saw moment alone section environmental
leader girl guy mechanism traditional tested template depending responding built famous void journey decide
channel studying safer queries trouble equipment offering visit utilize reporting interests struggling song
hurt species coming limit employee cautious rich president operating march currently identifying random
checking ancient evade acts shit urgency stock compose domain effect images wide chemical sounds wish stolen
involving accept professionals draft protecting opportunity paragraph europe college speak exact differences
thanks businesses stereotypes controversial kindness crimes income agree solely double suitable concise
price freedom hands curious enable accessible terrorist reliable establish factor receive escape incoming
hit kids conducting eyes teacher helping experiencing staff took park cheat speed addressing targets typical
grammar construct appearance increased abilities models insurance legally ago assume combination competition
defense convincing apple signature insights rank train led improving coding stand paying manipulation fit
university disease programs honest signs match valuable otherwise months operations memory average forms
diverse warnings trade violates anxiety matters player month granted speaking october handling custom
universe board attribute came previously confidence exist immigrants developer demonstrate violate protocols
none active alert department green balance dear waste joke distribute workplace scheme accuracy entry
himself driving maximum probably unknown front copy preserving articles encouraging picture mix filters
select june snippet useful supply vulnerability edit procedures town fraudulent plant detected requirements
despite benefit received truth six expected insert valid introduce casual refer mexico skin responsibility
progress addition particularly adding germany anonymous eye considerations confirm purchase season fix
infrastructure storage spirit changing presence processes temperature france processing born realistic lose
posts yeah god rock door photo french gives whatever religion condone provider caption intended capital
affect translation win partner mention fast controlled transaction substances prepare hair instagram listen
peace eat knowing threatening invest exchange blood highest empathy errors november unable followed humor
checks simulate ingredients british added operation generated amazon score prompts beyond permissions
publicly unusual expression tried objects december poem transparency career cold almost core recovery facing
pretend nice birth atmosphere chaos court cout facts americans securely spelling committing victim starts
profit sun tracking scale slack smart movement played computers peaceful emphasizing books charged
conversations characteristics canada studies half ground automatically capture muslim victims replies
evaluate justice participate const decrypt limitations balanced updated accurately objective poor beautiful
january solve drink eating keys focused road experienced taxes insider reveal preferences interact mistake
tech views rely cup item east camera changed honesty female count goods frame remains regions desired
renowned debate star locate land theory pass military easier greater neutral election stupid biological
proceed morning symbols chatbot cross released seriously sea fall walk instance improved manipulating happen
won mistakes capabilities explanation transportation interface million incorporate identified strings
opponent transfer april august limits asks funny feels authority inclusive wife purely costs morally paid
appeal favorite although cat racial reputable notice happened commonly contrast blacks racist movies west
choices gun forest located desire authorization playful gold insults chance former heading grow followers
fail photos innocent launch performing legality roles documentation cool efficiency afraid held apps depth
functions reset treatments hospital subtly illegally instruct navigate capable efforts effectiveness edge
ahead static ethically strictly wrote dead determined echo projects whose throat son roleplay chain managing
corporate vehicle recommendations vary coronavirus murder reverse nation worst possess australia protected
region acting exploiting discussions generation adjust funds press legend poison targeted ultimately sort
multi predict immediate propaganda supporting highlights discriminatory rob distribution enumerate whenever
africa hot sending connections trends shape charge explicitly telling accessing guess languages february
license cash reported symbol split soft planet century easiest mark serve colors cough wear concern approved
sample engagement onto containing weather parties calling weeks theme normally integer significance july
decode believes mother lock suggests crisis variables contents timestamp visual receiving weaknesses
disregard brown committed largest targeting demand foreign references harassment components reference
challenging filled london dealing cards faced definitely club opening session microsoft concerned suspicion
societal pneumonia window medications disable depends approaches diversity strength implementing endl
reducing prepared circumstances attempting household communications sick delivery flags linux became prices
touch technique resolve underlying becomes beauty themes reviews slow included screen punctuation visible
pattern rates integrate alternatives define mass traditions straight acceptable craft felt compromised
tomorrow successfully pick dedicated rumors secrets rare push assumptions prominent zero merely western
races arguments counter clothing intense author sustainable verification surface generating switch calm
resolution videos destroy obtaining informative failure worse vast sky coast compelling implementation
cultures clicking fighting fairness weapon prevention owner male panic upcoming preparing accordingly
mercury fever francisco warm ongoing rise disorder becoming specified tree biased tracks bear diet slightly
spaces cutting external explanations chest formal explaining happening wikipedia analyzing summer shall
clarity jurisdictions alcohol noticed employ info officials harmless truly configure urgent facebook
agreement candidate division existence exposure expertise updating investing secretly covid element
submission consistent happens river workers economy writer stage realm increasing european assess suffering
missing math denied counterfeit widely began vigilant watching overview compromise comfortable shot decided
personalized significantly older immoral resource reflect locations danger possibly beginning manual faster
draw constantly shopping brain browser connected loved gave unsafe distance brand sites host teams scenarios
organize islands cameras king moving forums recipe disclaimer perspectives indicate alphabet descriptions
contract appreciate loves outputs recruit lots village strict optimize japan minimize integers introduction
reaching routine intentionally entertainment convey coded label fields pictures intelligent verified pose
plants execution players trip organized procedure gone infection trigger welcome cities module surveillance
california catch compile flag extensive worry staying superior substance imprisonment injection converted
finds blocked urban improvements silver schedule skilled agency endorse broken thus logs bias royal exposed
constraints eastern fill gas killed jokes credibility reader ethnic artist scan align experts habits height
deliver authenticity auto italy putting accident covert concepts hour ice cancer opposite worked unnecessary
vivid coffee trace electric servers cheating elaborate heavy quiet parameters box sore attract figures
wealth fresh luck growing exam agencies union calculates trafficking eventually spain jobs residential
couple deserve researching map cyber efficiently humanity effort adhering entity identities controls equal
therapy innovative except boss stuff definition forced tests outcomes director burn collect walking warn
insult parent agent recognition chosen antivirus sneak username configuration league enabled impacts kingdom
earlier alien friday learned begins larger interaction prior lighting inquiries magical actionable asia port
leaves precautions direction established grand beings interview chances empty labor destruction robot doubt
collection exclusive adapt leads lifestyle sentiment failed holding mood budget obey viral derogatory
supportive extracted refers intentions outcome tired purchasing met illness genetic killing patch waiting
violating revealing aim lies creativity furthermore fellow amounts square aid weak flow celebrity combat
dignity clients lastly carrying factorial turned engineer spreads diseases stands battle promotion injury
evaluation round solar markets mask michael discovery bears loyalty confidentiality african drop appealing
route sections environments southern ends morals treated runs ass foster describing underground profits
harder variable evening morality assault qualified proof distributing risky plenty fan unexpected fantasy
disgusting bound stores args station lab tickets ocean identification anymore coach burp independent angeles
customs prison falling incident hardware blend highlighting caution aggressive claiming oil persona sets
restricted precise amoral angry heat confident drinking wearing ending intellectual keeps wind charges shift
visiting magic priority india crack taste accomplish suspect filter federal assignment breathing bill
allocate diagnosis traveler discord beneficial physically resorting compared properties installed forces
criteria raised dictionary hiring conference noise norms supposed affected clarify blame smith paris tricks
died secrecy button entering yesterday nor literature specify root writes featured spend unfiltered numerous
likes driven dry chronic shop viruses architecture stored modified sharp reads indigenous washington huge
winning desires master scripts participants attached advantages supports decoded unlimited bar asian
republic gift democratic lie maximize relief collaboration indeed modifying actively package replaced civil
defined entirely raising island databases perhaps abandoned leadership golden consulting rape worried
exploitation baby meaningful passage oral father courses geographic robbery wall medicine encrypt football
passed presentation audio russia england favor frequently embrace exploration classes positions graphic glad
scary toward published usual tags scenes miss tonight mail surrounding discourage reaction default firewall
knife knows deeply creates jews nose belief temporary submit enabling stars native confusion vote employment
hiding james net rid conclusion meant tweet tells surroundings dose wild earn spent incredibly designing
buying hell orientation perceived correctly thorough investigation exception beach shut logging prime
findings minor families columbia subsequent notifications strive trump metal damaging distress experiment
measure feet load movements dinner weekend sender incredible historian radical throw obvious suffer
investors sends ethnicity primarily automated television equality offense robert instructed abide
investigate automate specialized descriptive bright filtering wealthy struggle solving lowercase pawn anyway
stadium prove slowly banned libraries sneaky executed fines mutual aspect authentic vehicles disinformation
unfair knew intimate mechanisms shown utilizing announcement princess suppress officer prescription exciting
bodies boy boost curiosity introduced investments marks agenda guys restaurant intercept genuine landscape
peer construction mayor disrupt dive emotion neighbors floor encounter texture creatures treating dispose
deceive mysterious linked competitive therapist girlfriend venue overcome framework smaller innovation
dynamics county finish peoples owned raw citizens neighbor stability forever distinct sequence grant pricing
decrypted uncensored judge orders hatred conspiracy daughter unfortunately powered codes mammal tricked
estate familiar brought exploited upper knowledgeable breath vision invalid prints researchers jailbreak
twitter ten disabilities ill everyday copyright preventing advocate suite referred fitness biases difficulty
lawyer standing homemade sold expose leak spam incite actor protocol participating occur expectations
mandatory sides excellent refuses chapter chemicals kid nearby signal outgoing variant blackmail attributes
presented looked plastic clothes eliminate understood decline matches numpy generic driver achievements
losing structures border retrieve institutions supported adventure paul reviewer exec northern steals
painting stick ruin argue minimal seven categories believed strategic styles renewable constant continued
pursue ages pretending faith removed judgment helped subjects motion orange authorized moved prefix turning
prefer pet german admin dynamic majority functionality verbal advancements dress moon decoding requesting
finished trees discreet seeing emphasizes audit logo represent logic nearly modules packets scala posting
alive consumption sugar bed facial locked portal electronic satisfying breaks lists unrestricted gonna
leaders employer cast teaching payload depressed exit censor lawful domestic spending sophisticated
bypassing credible editing incorporating improvement gathering commerce technological refrain produced fat
strike isolation installing category firstly applying fashion thereby believers smoke implemented swear
campaigns profiles plus basketball artistic surprise maintenance skill dream executive senior pandemic bag
loop keywords println spiritual adds humorous dirty anger plane selection voting literally moments revenue
spark supplies discussed disagree leaked pursuing simulation memo stronger acquire messaging bonus inject
answering fans massive syntax religions achieved absolute ease penalties assessment hateful accidentally
perception suggesting alright fascinating statistics achieving pair nationality george criticism army busy
transport contributions gradually completing alternate interactive smooth frequency intricate accepted
cleaning carbon smuggling hacker prejudice tag suggested respiratory structured sad deny row plays wanna
transform mouth pages privileges completed provincial husband episode florida actors christian remotely
lived autonomy joy sessions char pieces elderly layout scammers medium corruption girls consumers closely
traits holds struggles shy brother timing mild difficulties excerpt protagonist mine winner hijack breach
jack seeks foods captivating opened advisor elder fish twice defend prescribe bitch honestly expect romantic
react dance computing applied bottom advertising demo accused tries crew advance frequent combined annual
schools index kindly commitment cocaine minimum shadows japanese listening discreetly capacity firm
entertaining removing complexity foundation vibrant appearances loyal operate cyberbullying theories
mountain diagnosed glass exists integration commercial backup composition ticket inclusion hire editor
cryptocurrency pollution specializes continues censorship contacting covered closed stocks thoroughly neural
inner consumer dataset shoes diagnose legitimacy extremist cell amazing turns chief lights crash professor
drama approval periods comfort lake served counselor suppose hostility nations lately sight mentioning
recording equally fourth district cycle coherent apparent oops machines expressing specializing reasoning
doors organic discover github influenced socioeconomic explains cook korea demands acknowledge footage grade
bowl physics basis meal inspired poll alerts cooperation attendance threaten paint industrial loud noticing
wonder ended productivity categorize conceal reduced administrator pathetic deeper smuggle cooking
manufacturing disclose researcher racism faces dont pop aims essence paypal choosing nuclear minute hotel
survive illustrate forth arise degree serving administration returned teachers quarter assets millions
bridge politics certificate confirmed kept opposition recipes describes exploits flight weird idiot
remaining alternatively fundamental facilities survival gentle folder insecure conducted terrace expensive
dogs bully sister genre tension powershell sweet harmony briefly angle destination evasion gang lazy younger
bullet expenses excitement simultaneously competitors slight scientist hates beat officers linkedin occurred
grab producing container pushing films proud suggestion drawing tailored victory gaming checked thinks mars
hearing pull smoking firearms anonymity biggest hosting adults meets promise bash headers ideal setup fee
sufficient scamming rude moves horse explosives ensures finance personnel token providers routes smell
realize powers screenshot assured tale distributed alter unsuspecting volume mike misuse deleted signed
encouraged placed tense increasingly affects labels fostering qualities flat crafting award tuesday ignoring
tiktok garden buildings persistent trial tokens featuring promises brainstorm reactions announced offered
mindful happiness rapid patches increases directed teachings blurred wondering indian populations searching
attorney planned reasonable examine yellow william celebrate tight preserve wake startup transparent
attackers chicago lasting infect saved eight ride wire corresponding generates reward meetings compassion
radio slang neighborhood harming mostly duty satisfaction indicates visually clinical recognizing prompted
awards fly martin strange explosive consideration rewards institution sleeping mixed disguise managed wise
herself stable affecting json impossible electrical disaster headline surgery ring crossing bullying fund
resilience monday objectives storm precision regional acid diabetes heads meth dies council worker hackers
moderation regulatory widespread resistance focuses factual obtained organizing brackets hint spots
politician bug circle bunch clever colleagues greatest modes gains birthday ordinary unconventional
strengths unlock possibilities scared cookies disorders peak artists slide album verb texas attend
superiority church lit joining trauma bombs competitor bullshit streaming aligns birds taylor sweden shares
monitored deadly vaccine thousands fears pros upload colleague alex separated origin boston corner combine
payments vendor equivalent worldwide charles criminals drunk excited possibility terrible demonstrates
injuries collaborate memories immerse dates incorrect strengthen cognitive breakfast versions darkness arts
wednesday formed carried timeline resulting cons illicit exposing crowd developers bird respected silence
menu literary exercises transition namespace securing vowels dispute youtube sale charity proposed sport
binary succeed instances attacker twist survey subprocess stone pure alarm vacation pleasure lunch
storytelling suit legacy column intensity differently bold ball attach homes addiction crypto poverty agreed
ransomware anonymously plain outdated resort williams licensed naturally consciousness dramatic domains
occupation inspiration theater captain browsing temporarily bronze flagged corona picking russian proposal
repercussions donations kinds involvement protective silent tough passion salt approximately principle
latter enhancing titles recipient reinforce generalizations satisfy wallet brazil corporation banks dump
feed grocery porn heavily corrupt polite lying saving partners override mimic tend imagery instrument
expressions coverage talent resist formatting akin contacts mislead framing referring disrespectful
relations defensive cope excessive studio introducing labeled attitude datasets laugh harry burning yours
passing hero pride recover reflects gathered deceptive divine logical revolution serves invite societies
predefined simulated pranks mom bought passport denial crazy ship arrange dreams sitting gained
responsibilities infected industries observe inspire hat vegetables enemy concerning revolutionary sarah
tiny classroom devise charm meat trash representative rival blow amplify mystery triggers seemingly
afternoon accepts arrived sunday register suddenly requiring smile unity exams inferior banking guns proven
brings broader node aligned fuel attachments greatly performed produces variation extended navigation
championships rain crowded terrorism reporter torture passionate borders showed undermine worthless
delicious pocket billion fruits uncomfortable entered journal iphone assign applicable markdown occurs
schemes opponents racing esteem classified theoretical blocks regulated exhaustive terminal invented
wildlife immigration sexually apart democracy adapted depend courage unsure participation distinguish ban
hall giveaway headache defenses neck ran minority suicidal burden kitchen holy adopt belong sacrifice
scientists seat candidates customize greetings unhinged shooting covers covering netherlands doctors peter
keyboard quote hired coping emotionally analyst registry traveling header isolate metaphor vaccines
universal documented shame quotes cats rapidly excuse pregnant tall punishment married chris attempted
consensual swift delicate tour representation delve mischievous esta kidnap jail newspaper bus streets
deception poses unwanted fox dumb arm prank escalate downloading bond soil availability relate wisdom spoken
rant honor comedy launder lyrics smartphone designer luxury sabotage skip personalities anywhere tolerance
networking font generations counts futuristic equation displays templates este winter emoji prioritizes
healthier bribe trap arms isolated airport shoot unsolicited irrelevant immersive automation robust
backgrounds confirmation optimization parallel gmail minded thomas fees validate fucked marijuana generator
revenge painful thieves bringing seemed immune escalation spirited purity fairly toronto cares nobody
totally cure deliberately hill pitch stereotype assuming validation losses nine purchased recognized sit
paragraphs determination band seamlessly stopped selecting laptop spouse cookie cheap mirror hurtful
controlling damn johnson overwhelming preparation saturday compute medieval undermines watched debit
trustworthy loose textual eternal behaviour texting stylistic storyteller robbing revealed marriage currency
discourse stream deleting arbitrary represents threatened proxy repeated erase portfolio firmware heritage
submitted meme scott ultra belongings mock witnesses musical miles rising purchases falls owners ideology
blind actress centers inequality oneself arrive territory columns engaged accessibility reflection flying
privilege sorted motivation suppliers italian incites publish legit clone openly restrict protest relatively
violations locks showcase packages founded mathematical ranking inclusivity interpret lonely defendant stuck
recursion sigma ipad basically emissions hypothetically mixture detective conservation ownership intention
unit eggs evolution thursday attending welfare appeared arrested parking gotta shock fixed comparing paths
eager component wing contributed steve fruit officially banana detailing walls manufacturer desk paste
accountability transmission boring percentage guard closer sudden consists designs classification captured
initiatives housing principal valueerror sydney consultant soldiers viewers governments realized seconds
drawn gym meanwhile reached hesitate aged practicing broad returning vector lord dude grid passengers
firearm harms guilty shaped serial nuanced verifying insight battery neglecting obstacles profound
specialist acceptance ambiguity attractive executing olympic compassionate celebrities politicians deals
enemies poisoning bots assembly evading hits samples notable horror armed analytics donate preferred degrees
empire conscious workshop pursuit premium redirect garbage distant counseling beware safest guilt lesson
joint copyrighted deserves jane chicken consistently freely soul dedication divisions firewalls estimated
represented paraphrase productive substitute britain jurisdiction diplomatic politely junior switzerland
finland jewish savings directions somebody capability disclaimers alarms inspiring recorded emerging
comparison physician association extension fabric logos guides astronaut netflix arousing negro terrorists
boat distraction liability drivers strip creator contracts gaining permanent triggering loser expansion
voices biology roman scope gap complaint civilization experimental snow opens triggered reviewing aimed
capitalized reviewed founder wireless exceed coughing flaws fills disseminate despicable obeys greece
zealand electricity afford jump asshole catching commission transformation cheese designated initiated
contributing sunlight addressed anime cream bonds centre annoying predictions prescribed immigrant audacious
possession transgender museum wars severity carries whom pointing undetected supporters erotic broke
temperatures presents citing leverage lady youth adjectives encouragement alongside portion signals stating
adequate chart append precedence portray greek transcript voters disability trojan automatic compromising
longest cite notorious divide assessments solid fewer recommendation latex cunning examination harsh raises
unacceptable townspeople witness gear tokyo collected funding papers aggression sake tactic perfectly pool
vulgar signing metrics disguised reduction talkative richard butter dragon blockchain creature phones marked
shocking unbiased restore baseball sheet thief rap fired pizza tea infiltrate chase boyfriend chemistry
employed shirt motivations backdoor baking empathetic batch azure worm enters dish extraordinary quit
narratives brave panel overwhelmed organisation inaccurate charismatic swearing journalist pacific apartment
urge mountains cells dropped teen cry bounds imply campus rose parse outdoor jewelry puts intriguing torch
brands newly jordan promising mary provocative dotted arrest drinks trail residents persuade demographics
administrative immense midnight establishing scrape subscription moderate indoor memorial rome screenplay
bottle bitcoin bribery donald pills ugly behavioral launched plagiarism salary presenting meditation
observation positivity meals singer rearrange titled louis dot anthropic beijing guaranteed permanently
existent destroying soccer resume traced claimed agents induce formula continuous enforce texts leg spring
foot tower influential continuing pandas entities flowers misconceptions chocolate contexts companion
fatigue sneaking defending sells prince rhetoric enables fault forge mad commentary folks discovers
retirement compliant audits width captures connecting functional implies rush accommodations assigned
thrilling fulfilling earned committee collective phenomenon intact iron gene crafted disclosure advisable
theatre unverified orientations turkey hoping thrill tutorials leaks holiday cops songs equipped obviously
championship explores hence triangle straightforward gravity stir sensitivity imagination chair interpreted
friendship resolving respectfully qualifications observing sentient georgia advertisement surprised
agreements muscle thick minds injured dollars healing intimidation fabricate identical debt ports
consistency refine originally characteristic regulation retail overlay discomfort vital ireland talks makeup
pornographic queen clubs hostile discriminate psychology odd personally employing promotional proprietary
mixing incidents stack shoulder supplier fell sizes denying guest sarcasm advocates robots reversed athletes
warming citizen producer scanning facility twisted duration executable linear sector endeavor functioning
dissemination gently fingers panels centuries greeting disputes advised passes bags nazi caribbean comic
radar cult minister spoof powder passive accessed translating enhanced delivered invisible centered iconic
concrete lecture zone airplane invasion moreover mimics offline independence tamper conservative dishonest
alice troll walmart teaches pyramid suspected harass intervention provoking aside attacking bread
necessarily overnight adopted refund answered tissues android filename marketplace consuming countless
weekly pets striking philadelphia observations cunt corrupted emojis gambling dating billing christians
grades drives somewhere swiftly minimizing decades obligations managers modifications selected percent
inquiry thin thoughtful router reject ties tournament headquarters planets distract frustration reminders
temp austria cop releases employers advocating lets inherently receives keyword experiments repeating
observed silently scores documentary plausible harmonious guarantee encountered ramifications haha alleged
pornography launching failing congress wanting discredit operational flexible opposing adjustments storing
breakdown neither conclude thesis letting shipping groundbreaking hearts securities undergo insist
antibiotics textbook specifications rural pulled hazardous mining hurting surrounded hygiene shady critique
acquiring penetration phase demonstrating institute invention remarkable narrow ordered stated vague
appointment traps legs meds nationalities bike bathroom hole operates botnet brute loans cake kinda
manipulated christmas radiation enjoying relieve interpretation dying visibility downloads enterprise
instant relaxation joined landing korean replicate vice secondly acquisition elsewhere philosophy portrait
routines coworker unrest berlin kidnapping accidents voter laid dad dick scare stopping scrutiny alterations
frameworks stance viable expanded filed desktop accounting milk aesthetic hobbies realism sudo giant delay
appreciation unlike discipline suspended arena faggot weed wins latin accessories influencer compensation
remarks replying destructive exhibit replacing loving elevated fails quantum pan combining matching barriers
slim dust devil shallow coins waves quest frank tesla theoretically heist prick missed wood wine ransom
minors hesitation minnesota shadow oxygen registered whites relative conveys likelihood wrap dishes lessons
utilized reduces presidential enlightenment profanity prohibit jargon sir offshore concert upset rolling
chairman hang zoom mercy monthly dominant handled behave optional autonomous optimal jean listed embedded
circuit deaths wishes glow lens protein stakes tones hungary spell truthful statuses irresponsible unlikely
sin tensions mainly pics creators deploy quietly loaded responsive beneath copies exceptions electronics
mount behalf prize bars complaints marine uncover scheduled safeguard ears bulk supreme atlantic scandal
interpreter diego desperate miami elected teeth shower breaches ignored traces landlord jones visitors
audiences initially loan devious deadlines intrusion historic closing carousel genetically continuously cups
differ henry affordable prioritizing forcing issued translated stomach demanding clouds rough questioning
posed manipulative ruleset exclusivity australian barcelona canadian rent convinces facilitates cyberbully
secured tampering cousin childhood deployment gray endorsing preventive slave pink lift complications
contained formation explorer boolean modeling systemic branding typing detecting pursued memorable flood
expanding conventional tier promptly trials regime render spoofing seattle arguing discounts valley
synthetic apples collapse equity swimming rituals ourselves socket roots icon anxious composed governing
formulate integrated entitled knight themed semi shelf dallas lethal houses bother endless fatal roll
accusations disrupting wellness clip wonderful interviews confused uncertainty altering interior collecting
invoice packaging origins attachment disk apparently visualization poland patrick telegram gloves tie
derived boys pack inciting liberal mess hunting gifts elections sensory ruthless illusion registration
seamless blank responds liquid await caps clock limiting overly boxes carolina lay float remark fate reveals
evoke cooper survivors tourist rally hollywood sincerely egypt beer protections prohibited blaming refusing
scum basics touching testimonials deepfake conversational termination forbidden daniel indicating manually
nervous regards habitat historically defender sought hook rescue convenient moderators interfere assumed
murderer podcast masks bet vegas motivate assassination civilians promoted detector cute representing guests
encounters damaged curl screenshots modification restaurants scripting trend homework yoga vocabulary
oriented units estimate preservation abstract cybercrime accent evolved divided grief positively alerting
cartoon atlanta disclosed introductory grown investigating reinforcement spy avoided hunt accepting bills
crying mentally capturing handles stations misused needing coordinate camp detroit extent interacting
impressive disabling breathe developments nefarious adheres metadata horrible motivated reliability bytes
curse reverses ignorant dominance intimidate kit ukraine teenagers micronesia filing proceeds regret
disposal affairs wet radius sole shelter alignment downtown evaluating familiarize wheel statistical
supervisor stealth poetic repository controversy impression outlook caesar relax consume similarly besides
symbolism recruitment clarification michigan hashtags inhumane houston complexities wizard grounds readable
moscow devastating southeast convenience outlining coat bigger lane buyers ashamed efficacy suck fantastic
repeatedly believable defining initiate pittsburgh tank uploaded noted imaginative rooms certified decrease
performs cracking visited citations containers illnesses ladies incentives noble largely gaps andrew upgrade
expressive wrapped confines kidding loopholes argentina endangered disruption casualties coordinated forgot
negatively finger nigger flavor buffer probability flexibility debugging navy certificates installation
seeds reflecting adoption vegan formats patience certifications thrive wooden qualify firmly classical swap
fabricated admins chemically spotting discretion corrosive homeless speaks assemble kick republican
mainstream negotiate versus terror tailor characterized rating emphasis woods acknowledging elite authors
daring partnership infections populated inviting impersonate intuitive votes portrayed appeals fictitious
salvation accidental killer maintained laundering methamphetamine factory attacked hijacking slip clinic
jersey slurs hacked classmates navigating nmap nutrition mathematics liver repair forming credential
embracing export fortune eliminating hotline infectious drops phoenix gaze nausea boundless vomiting
seasoned heroin influencers norway dirt stays glorifies throwing walks speaker jesus variations attracting
failures relying exaggerated varying galaxy contemporary volunteer density cable civilizations showcasing
profession subjective posing cooked simulating remained endeavors parameter optimized shapes blanket
conclusions wedding maria percussion deviation photography spray crystal colombia magazine fossil mentions
athletic fluid obama grew avoids ohio insulting yield professionalism confrontation rotate sat caring bell
withdrawal nodes inventory matrix posture browse penalty grass broadcast sorts offend correction enjoyed
negate reel nigeria snapchat mexican pen perpetuate darker warfare wider ranging attitudes hurts undermining
satisfied resulted festival debug instruments rice hypothesis accommodate initiative blur adventures
acquired colorful valued protests relies fought appropriately prediction linking partnerships carter
independently fastest celestial meta invade hydrochloric cinematic ponzi greenhouse ratings inflammatory
talented wings cancel cruel pepper ethic rhetorical educating liberation sustainability outlets buddy
colorado noun progression recipients varies ecosystem adherence displayed supervision policing lifetime
uphold province wounded classmate embark forgotten depict commas critics removal memes whats spoofed lightly
justification walked sees discusses grateful wilson believing poetry utility suffered shifts conversion
newsletter extraction ascending publishing concentration roads boot emily secretive compatibility
directories endpoint doses processed defeat accomplishments duplicate loneliness vertical smallest socially
pharmaceutical scans remorse credits pin locally belonging extortion mate lions dense printing bacteria
destroyed influences branch integrating delays newfound relatable imaginary referencing overdose plate
evolving adobe communicating bustling dystopian dietary tradition misunderstanding guitar finals hanging
configurations hip deletion lung expressed saves disturbing precious awesome runner blonde ford saint
brothers metropolitan karma forged nationalist arson turkish licenses desert fuels hola organ compound toy
substantial cluster understandable cuts venezuela combines impacted refused steering speakers assisting
displaying cracked switching studied cloning restart unhealthy exchanges highlighted backstory deadline
adventurous populous slogan decade deemed allergies detrimental inhabitants islam questionable chatgpt
selfie kubernetes strategist artwork ignition teenager learns venture disappear murdered sexist everywhere
popularity novels sounding decent engines athlete storyline embed tables stood earnings explored bool tennis
invited compete mechanical visuals configuring retaliation utmost scraping suspension runtime lap boundary
defame runny belgium unwavering criticize headaches anagrams regard vault leakage outlines dealer hash
entries instantly badly justified specifics printer intimacy subreddit respective offset philosophical
instructor academy relaxed warehouse spyware persistence progressive enjoyable pace calendar executives
equitable stimulate transmitted excel unintended evaluated endanger allies ear wary backups secretary
prevents adam hints overtly fingerprints wave humane disguises juice mall truck holocaust biden signatures
hundred residence mature awful instability aircraft sketch supplements ate archive footer confuse dimensions
fetch unclear scotland substitution fits workout proactive motor unfamiliar possessions infringement
innovations asset assisted edited premier complying secondary realising tape genes diversion laughing potter
exotic parenting motivational payroll rotation hitting brilliant cruelty bucket iraq smarter marketplaces
pump inherent tied artifacts symptom mindset escalating weaken forging indicators retention polish oceans
teller grace maintains stages investor seasons outstanding compatible citation leveraging cuisine roughly
preference ritual viewed hosted tragic extend sandbox imposed elizabeth frozen workflow tears cleveland
peculiar arrives lips pinned journalism kevin prosperity hundreds marginalized judgments slur speeding lewd
abusive sentenced vandalize attractions cryptocurrencies deposit oppression counterfeiting aids useless
hopefully rarely reckless drawbacks sensation uniform lure printed planting supervised stayed shaping
linguistic gratitude concealed ratio picked leaking recall anthony bugs wicked orleans everybody
collaborative tiger backed brian textures joseph disclosing communist divert despair lengths colour
untrusted desirable reprehensible esteemed guinea ecosystems profitable stops allegations replacement
strangers kansas cant dancing realizing tricking unaware waters solo rows placing cozy distracted garlic
impactful egg jason receipt clues improves jackson edition disparities reliance appetite promotions
expecting essays pregnancy guardian thousand vibe destiny invent docs teens nerd cape gotten dumping wage
bombing pirated toxins falsify circumvent chrome talked barely giants donation lisa appearing convicted
episodes nurse bedroom clips packet elegant mindfulness administrators wash outfit cipher declared purple
evolve teamwork corners entrance prototype collections cow grey approached davis artifact recursive
reflections tarnish lacks claude documenting greedy israel manufacture hoax treats predicts sway shots
abortion bigoted holes unemployment trapped underwater floating tackle requirement critically blade
exceptional organisms flavors shed treasure spare irish bake separately adjective demonstration streams
snacks romance troops admissions leonardo supplement elementary soviet gradual strategically balls iris
announcements exacerbate tourists istanbul footprint minorities automates insecurities falsely somehow admit
privately denver devoted apache adaptation explained steel laboratory procurement struck revolutionize
stunning repetition sensations biochemical taught parks curriculum similarities optimizing licensing mouse
preferably sunset patching allure disasters arrival photosynthesis scheduling shutil tap shortness advances
considerate rejected sadness reflective retired oppose insomnia uneasy frustrated cairo commons vancouver
smashing jose bribing northwest farm odds diarrhea burner bans downplay zones seats margin rings swim
opposed denmark occurrences balancing extensions graphics arrays soda validity hopes transferring
incorporated tony timely inspect soup emerged nutrients traveled kelly airlines plugin lambda configured
wales nick peers rational olympics swipe arizona tales holidays somewhat invading supremacy constructor
translator devotion professionally repo martian inconspicuous deviate implied obedience aboard malevolent
ought islamic hitman bangkok encyclopedia thailand deductions elephant jungle pot pirate lungs
investigations backlash woke explosion rogue tragedy guards agriculture mutually champions timer shifting
notation strain lands clicks tail establishment eligible pushed thriller scored oven brutal demographic
granting depths dollar lesser rigorous listing habitats generalize victoria grants celsius ambiguous warmth
washing retain interference complicated reserve twitch chmod bypasses fires operator dig chile rat slavery
fishing getaway neighborhoods tear democrats rumor chatbots till deepest toys shorter adjusting harvest
investigators sized guiding guided mechanics belongs determining advocacy journalists cotton advancement
overseas whereas cleaner achievement applies liked satellite roof heated anomaly formatted gossip alexander
corrected sticker intentional docker disguising pipe athens buddhist airline overthrow prostitution hosts
profane punch mini tennessee visits uncle susceptible expense cues perceptions recovering eric decides
resistant dioxide architect performances examining transit contributes chose warned clark shoulders absorb
suspense anchor debut occasionally rainbow backend spoke delivering assignments terminology sacred pulling
persons proceeding immunity salad discoveries sauce casting disadvantages cited stumbled steady escaped
butterfly transformative fame diamond marathon flaw refugees dropping punishable retarded czech luis
playlist atheists iran delhi lighter rivers inspection underage coercion portrayal hindu drones divorce
hazards whore naked hilarious amateur diving transformed overflow understands worlds gaslighting null chill
partial masterpiece dimensional pressing stalking deter invasive weakness encode engineers duties visualize
quarantine interpersonal searches nights nominated thompson elon musk urllib declare meticulously wont emit
globe transfers jumped aiming dataframe directive justin neil trainer asterisks secluded shoplift
accompanied nearest vendors piracy sucks fool viewpoint helpless regulate builds reaches reconnaissance
arrangement internally respectively reuse dave nasal territories savvy furniture stepped grading alleviate
mobility jeff workshops separation dependent impersonating credited cache exclude judged uppercase
fabricating mystical trips robotic arriving hop larry luggage crush illinois revelation refusal morocco
singapore clauses mediterranean surfaces flower quiz normalize alpha sacrificing goodbye altered branches
gods warriors completion stressed muscles writers gross tissue submitting equations oldest governance
segregation syndrome chains incorporates compass ingredient glasses hierarchy absence coordination jumping
transforming terrain calmly comedic philosopher promised disappointed sarcastic remedies catastrophic
musician typos rick perverted dict edgy perpetrator melbourne guatemala hong helsinki organs hitler dare
notification genius carlos unfairly drill finances literacy danny squad grammatically loading intensify
notion mimicking liberty config lemon invitation privileged chips virginia consultation fulfills buffalo
develops ideologies spaceship accountable acted witty contempt snack revolutionized auditing haiku alan
consensus attended scramble lawyers allocation cleverly detectors antonio suggestive ineffective downright
cuba kenya shoplifting montreal lion sexuality stalk hearted poorly dishonesty stranger landmarks pussy
enjoys patent shops unintentionally packed grows crop unpredictable interfaces contractor horizon unrelated
tends symbolic graduate closest camping discovering edward alliance noting flows overcoming architectural
mitigation smartphones wellbeing bone lean removes golf simpler beloved meters boots synonym laughter edges
solved prefixes necessity euro marvel vintage alibaba augment pakistan nouns madrid romania approve hotwire
stole lucrative saudi entrepreneur egyptian ruining aspiring severely teenage penis drag talents suits mere
paranoia dependencies sectors stakeholders offices logistics transferred genres releasing puzzle exfiltrate
witnessed calculating tastes synonyms suspicions empowering grammatical avoidance champion bubble hospitals
worship loads prestigious watches yard quotation contest continent auth tracked pie environ recycling
accordance analogy obscure celebration monster weigh dual genuinely myth iteration consequential merge
obedient micro austin investigator gentlemen constructively doesnt raping wonders foolproof gasoline
multinational mile geographical inadvertently repetitive pointed fifth christ rooted consumed contribution
responded persist atmospheric retreat vegetable intake specifying sunny regression etiquette freeze spectrum
tagged partially criticized organizational piano threshold senate spirits foreach digits breast adverse
genetics eagles injustice rivals chamber relativity celebrating enchanted sandwich grain upholding santa
candy pharmacist bipolar surgeon hopelessness whereabouts gordon filmed saharan drone buyer seal wording
blueprint sourcing assholes touched painless stealthy winners assert snake confrontational greg confront
showcases weave permits wound ghost vitamin anatomy rewarding endorsement sensors leaning encoded
departments throws forests depicted dashboard coaching steam filling attributed reform hungry harris
forecast snap battlefield puerto tolerate albert lowest folders calculus territorial pilot maps pairs shield
enforcing reign gates dissatisfaction fort personas scientifically counterarguments stats diary tweets
announce barrier fights bush recruiting culturally challenged educated coworkers lovely crown disney
settlement codebase census combinations ceremony congestion predictive metaphors scanner converting
uplifting faint traditionally restriction singular chip inconsistent indicated missions headed commonwealth
celebrated feasible handed tablets unleash verbatim distinctive sand predicting juicy fahrenheit
supernatural singing hopeless emerge jake cosmic marie coordinates bruce arrangements breakthrough fallen
chess resting oversight lewis reserved printf startups rejection critic vaccination roast spamming performer
beta tampa problematic fantastical portraying proclaimed biotechnology overstate stockholm pickpocketing
casino amsterdam shanghai hacks chef falsifying screening pipeline charts burns viewer messy schedules
ideals genders sheets plug seed analytical plugins hotels trades premise kentucky hunger beginner
universities gateway embody competing informal riding soap hills chasing relation constitution appointed
comprehension representatives beans retrieval lightning voted travelled lincoln safeguards oregon
discrepancies petition sensational capitol porches senator jamie prosecution terminate imminent prolonged
deducted assaulting speeches dubai costa corporations wolf knock inches untraceable herbs viewing freed
harassing economics ammunition distances praise paperwork threads influencing toilet advancing measured
geometry culinary onion relatives deceiving kate occurring essentially painted mirrors animation outreach
lucky governor monkey layered chaotic mythical shortly arthur ministry scalability epic parental rivalry
descent screens congratulations troubleshooting portugal wears interpretations prejudices portrays fusion
blindly moralizing daylight hyper dominated fancy openai salvador clause temple lesbian hockey threatens
simulates keylogger scammer agricultural asleep pants cannabis genocide affair contagious consisting wages
obsessed relentless embedding bored sums iowa extracting scratch streamline angular seller implying imaging
socialist peacefully varied constructed elevate jacket eliminated belt therapeutic moore circular labeling
robotics globally vegetarian delayed cooling customization calories periodically volunteers scoring pronouns
asthma pause traumatic confusing migration photograph welcoming afterwards surveys breeze trunk diagnoses
chin corp aesthetics schizophrenia publication neon babies bull specially overtime candid provoke
extraterrestrial blogger valuables statue vandalism arabia hashtag pig abandon appreciated discouraged
discount concealing redirects atomic darkest nickname bands resembles backyard relay revolves placement
inadequate farming downloaded formerly cosmos similarity fuse calculated charming ranges biodiversity
rendering affiliate gary directing karen mentorship complement biometric connects mammals highway flash
oppressive drew adrenaline whale viewpoints structural dependency twenty manifest deciding decreased traded
sorting rico negotiations disciplinary breeding exercising precisely disagreements manchester prayer
interconnected insufficient utter hover whitespace catholic hamilton sexy qualification juan sanctions exits
preview unsigned resemble euphemisms anecdotes extremism jamaica abused taxi bat dealers addicted rental
mexicans activist harvesting defaming stewart bath stab stem asians rounded negotiation brush psychologist
respects offerings smiling angles sixth weights fitting twists lightweight bleeding landscapes isolating
rises certification activated async stephen faculty methodology colored anybody meticulous tracker analyzed
applicants flooding translations surprising ink replica nuances oklahoma snippets fridge jar neighboring
referral differentiate illustration simulations milestone heights alphanumeric couples grabbing dots
jennifer framed hammer southwest glowing lacking reproductive ibuprofen autism simon incomplete informing
ruling playoffs pole sovereign northeast doom conceive tuple dimension psychiatric ignores worthy stilted
kong drove realizes burned abusing sheep visa protects collects launches misconduct undetectable surge
adopting forensic summarizing afterward converts rocket crossed proportions tune watson amidst relevance
anna multifaceted dropbox zoo dessert blues wit encountering flour battles decorations dynamically
authenticate orbit crisp upfront keith canvas pending opera deviations facilitating satirical workspace
hydrated unprecedented connectivity definitions autumn poster damages vinci flowing shakespeare skeptical
verbose prophet kiss hispanic quarters anonymized charitable enlighten knives scholar attraction rocks
opioids blogs contamination assassinate punished verse chorus gallery revert crap joyride pharmacy shocked
nonsense defamation lawsuit indication acronym billionaire psychiatrist steak wrist arranged willingness
cultivate wells quantity sticky authoritative injecting webpage distractions investigated doubts earning
ryan declaration blending portable measuring inflation sealed anticipation senses hiking owns misunderstood
activists crashes costume wires stray francis redemption habit dosage disgust compulsive spotted fork waking
adams skies revised wang monologue conquer harmoniously marry bastard veterans regain investigative worsen
taboo imperfections surgical diabolical pesky sentiments alibi mississippi arab arabs poisons cigarette
laser filthy limbs raped deploying wisely logged advising flames stake bite crops adapting scholarship cater
travels deepen discounted fiber palace shore syria fence knee defeated scent manageable palette noticeable
charging nuts dressed intensive wipe testament travelers glory measurements compress expiration raymond
occupied resolved situated accomplishment assistants fascinated prone males castle shine imperative tender
brad foundations deceased particles drift mischief honda reportedly bend grandmother adaptive afterlife
cooperate definitive mocking grounded reminds summit avatar composer allergy prisoner owe allergic jets
undisclosed confidant lighthearted distracting dominate hackerman downplaying withhold supremacist
christopher rica taiwan addictive sing scream leather malaysia indonesia pounds cigarettes accomplished
silly nude heal miserable awarded ignorance reinforcing instill maximizing insightful fulfilled scanners
maker legendary vinegar consist resonate harness withdraw dialog versatile buttons magnificent strikes
generative olive phenomena wrapping workforce intel victor initialize operated floors louisiana alabama
dependence voltage macro boards expresses relates shadowy ecuador importantly jessica catcher infinite
heaven delightful predators minerals unplug crimson fasting matthew landed affection cycling enthusiasm
outer tallest republicans empower validated debates zhang sequential fixes ghetto homosexuals associates
conviction scrapes beating tumblr aftermath injected invoices recruits arctic neglect queer reconsider
coastal sword notices unattended dislike belittle cabinet heroes toll hobby worries ruby niche estimates
predicted engages ambitious activation judgmental browsers adjusted financially duplicates stirring calming
unite outlined mentor fulfillment conn utilizes honey possesses demonstrated predominantly freelance
treacherous decryption thats listings automating tons complies norm stroke sellers excluding decorative
brandon humble scalable lengthy emergencies researched appliances aliens apology tranquil revise rightful
outsiders martial backwards shutdown selfish visitor expired locker notify rangers anne qualifying tensor
grounding hardening approaching espionage physicians interstellar disseminating hawaii murdering panama
depicts peru anorexia denies tutoring butt gate ebay premises hypocritical spin coerce kernel motherfucker
guessing cyberattacks technically unpatched readability bible prevalent feeding predictable settle bones
invested artificially clue cardiovascular geography therapies worn serene comma bicycle workload nails
indexing correlation segment departure parliament calculator elif souls jerry mapping enticing ambient
economies eligibility booth satire existed ambassador referenced potato uncovered insects reminding
priorities leisure emma cube ecological extinct chen throne couch sony generous quadratic wisconsin furious
headlines citizenship cleansing unrealistic speculative naughty sean wayne bust amongst stressing mins
belarus coalition convention pediatrician enthusiastic unproven abiding seoul simulator catchy receipts
filming prostitute defraud bitches surely jimmy oval nasty copying poisonous suited indirect patriots matt
articulate hides identifies impending excluded prospects founding eddie detects naval alias spicy routing
functionalities remedy associate transitions delighted seas admitted naming firms kung cherry bid refined
thrown keen inventor selective humidity gradient polls duke manages diagrams photographs winds backing
soldier singularity customized birmingham avenue drills gays johnny lawrence robinson custody musicians
wrapper skepticism criticizing assure membership flora deforestation fentanyl basement passports resident
coal fur drown sabotaging kidney hindus jeans encrypts bow quickest amendment guru monetary judges pleasant
programmer randomly persuasion violated potent prey counting consequently motives consequence handheld
labour pointer specialize sodium clay informational superhero grasp processor ruled singles wishing
computational hybrid confidently rhythm multiply mythology feat discouraging regarded gardens survived
walter whatsapp morgan climbing proceedings shining intrigued inbox phrasing beef fairy dutch banner stretch
stretching bang assertive breathtaking exhausted wifi admiration coin politically charlie tablet lover
realms cardinals restored distortion stressful dire judging carl trait formally distinction homosexuality
snatch missouri ward loops moderator insists initiating contrary inevitable cleared reiterate bloody
allegedly hotwiring janeiro rainforest cautionary dominican tires suppression christianity slaves cheated
moron innocence intervene clicked indices abundant intergalactic activate oakland iterate scholars steer
lush excess binding tropical blends concentrate harvard empowerment photoshop enhances bleach grains
delivers adaptability enthusiasts smoothly encrypting vietnam bare gestures teammate jumps constructing
buddhism stigma enchanting preserved invites uncommon collision sequences diagnostic excuses intro fluids
optical newton simplify julius stark rocky softly arrogant females dublin invaluable applicant samsung
shades favors renaissance accelerate whispers potion ottawa strands unfriendly closet bluetooth cole
troubleshoot exclusion convinced apocalyptic ranked indians ferrari faking karl indiana mismatch overload
tunnel unknowingly guise narcotics nephew nationalism afghanistan serbia pinterest garage graffiti purse
philippines brick ideological manipulates smear cured blowing drastic hated foul cheaper successes covertly
dialogues countermeasures semester demeanor jealous educators uncertain destinations sleek systematic
beforehand simplified inflate excellence proteins inflict mushrooms careers sync negativity copied medicines
personalization electromagnetic tomatoes staged inserted avenues anytime synthesize unavailable
preprocessing enhancement flesh wiring rehabilitation introduces nutritious storms complain meanings carrier
jupiter jazz virtually rebellion riddle span checklist dawn cycles drain villain harbor civic util
terminated steadfast helper depicting triple onboarding spike rams prisoners dismissed impersonation
affiliated locking transmit inability withholding adjacent antibiotic humiliation improper occurrence humour
horrific tourism unlocked commenting vent lottery escaping migrants incriminating businessman debts steroids
equals disrespect fred brains lively retaining repairs laundry skipping interventions bleed vikings scarcity
operators scholarly booking differs physiological builder delta buys checkout uploading seated knees outlet
recordings evident markup animated quantities travelling rolled trails tomato slice bullied drafting frames
nutritional muted barack attaching ontario passenger prompting conveying ross baked dressing lifting billy
maple haven rays bacterial favourite gases costly enigmatic thrilled mesmerizing sunshine madison momentum
unified axis baseline shorts organism inheritance flights entertain rebellious shoe synthesis hires massacre
swings manifesto julie detach hotlines perpetuating blackmailing deceit attire sleight activism fiji eaten
cloned betting cock circus discriminates extremists deletes opioid dramatically alaska courts donating
buried bottles trademark timeless cruise missile cargo makers pennsylvania fantasies farmers admire dean
sincere mortgage numerical calculation disagreement reminded tweak enrich ambition recreational hampshire
reproduction fullname clearer stimulation encompasses toolkit successor pasta customizable fixing
brainstorming coordinating climb borrow distorted recovered mortality showers unreliable deputy permitted
unforgettable sensor unlawful keystrokes iterations smtplib relaxing risking badge shouted fargo obligation
repeats attracted platinum drastically nutrient slides dining noisy cautiously screaming albums obsessive
luke bishop toyota laughed witch virgin aches counterparts positives spacecraft densely unpleasant instincts
milestones acute vaccinated jedi retire degenerate someones shitty indianapolis evans numb devs endpoints
reporters jet disregarding reputations mastermind cocktail intimidating comedian kidnapped sourced impressed
buddhists ecstasy bahamas bury contaminate kills prevented tigers sits terrified tobacco webcam figured
rifle rope coca breed counteract creep patents axe beg bra cab cum dam ego fig fog gum gut hay hid hoe hug
hut jaw lid lip lsd mob mud nap nod nut pad pee pit pus rag rip rod rot rub sob thy toe tub vow wax napalm
anthrax molest molesting ricin sarin thermite shrapnel semtex detonator detonate rootkit adware doxx doxxing
swatting amphetamine mdma ketamine cyanide morphine opium shank silencer suppressor ammo ammonium nitrate
gunpowder pipebomb molotov arsonist behead beheading strangle suffocate stabbing lynch rapist incest
bestiality pedophile nudes hentai slut kike retard vagina boobs dildo orgasm pimp hooker traffick forgery
burglar burglary carjack extort embezzle phish cracker shellcode jailbroken venom toxin nerve mustard
chlorine bomber grenade grenades dynamite landmine sniper pistol shotgun handgun bullets bulimia noose
assassin homicide shooter jihad radicalize uranium plutonium fissile centrifuge bioweapon weaponize
precursor
"""
