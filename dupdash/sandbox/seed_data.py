"""Lists the departments, subjects and names from which ``seed.py`` creates the sandbox's university."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Department:
    """A department. ``subjects``: pairs of number and title. ``topics``: names for sections and activities."""

    faculty: str
    name: str
    prefix: str
    subjects: tuple[tuple[str, str], ...]
    topics: tuple[str, ...]


def _department(faculty: str, name: str, prefix: str, subjects: str, topics: str) -> Department:
    pairs = (subject.split(" ", 1) for subject in subjects.split("; "))
    return Department(
        faculty, name, prefix, tuple((number, title) for number, title in pairs), tuple(topics.split("; "))
    )


DEPARTMENTS = (
    _department(
        "Faculty of Science",
        "School of Biology",
        "BIO",
        "101 Introduction to Biology; 120 Human Anatomy and Physiology; 210 Genetics; 215 Ecology and Evolution; 304 "
        "Molecular Cell Biology; 330 Microbiology; 410 Conservation Biology",
        "The chemistry of life; Cells and membranes; Energy and metabolism; Photosynthesis; Cell division; Mendelian "
        "inheritance; DNA replication; Gene expression",
    ),
    _department(
        "Faculty of Science",
        "School of Chemistry",
        "CHE",
        "101 General Chemistry; 110 Chemistry Laboratory Skills; 201 Organic Chemistry I; 202 Organic Chemistry II; "
        "220 Analytical Chemistry; 310 Physical Chemistry; 405 Medicinal Chemistry",
        "Atoms and isotopes; The periodic table; Ionic and covalent bonding; Stoichiometry; Gases; Thermochemistry; "
        "Chemical equilibrium; Acids and bases",
    ),
    _department(
        "Faculty of Science",
        "School of Physics",
        "PHY",
        "101 Mechanics and Waves; 102 Electricity and Magnetism; 140 Physics for the Life Sciences; 205 Thermal "
        "Physics; 230 Quantum Mechanics I; 320 Astrophysics; 415 Condensed Matter",
        "Units and measurement; Kinematics; Newton's laws; Work and energy; Momentum; Rotation; Oscillations; Waves "
        "and sound",
    ),
    _department(
        "Faculty of Science",
        "School of Mathematics and Statistics",
        "MAT",
        "101 Calculus I; 102 Calculus II; 115 Statistics for Scientists; 201 Linear Algebra; 240 Discrete "
        "Mathematics; 305 Real Analysis; 360 Bayesian Statistics",
        "Functions and graphs; Limits; The derivative; Applications of the derivative; The integral; Techniques of "
        "integration; Sequences and series; Vectors and matrices",
    ),
    _department(
        "Faculty of Engineering and Technology",
        "School of Computer Science",
        "COM",
        "110 Programming Fundamentals; 120 Computer Systems; 205 Data Structures and Algorithms; 230 Databases; 310 "
        "Software Engineering; 340 Machine Learning; 420 Information Security",
        "Getting started; Variables and types; Control flow; Functions; Recursion; Lists and trees; Hashing; Sorting "
        "and searching",
    ),
    _department(
        "Faculty of Engineering and Technology",
        "School of Civil Engineering",
        "CIV",
        "101 Engineering Drawing; 150 Statics; 210 Fluid Mechanics; 225 Structural Analysis; 310 Geotechnical "
        "Engineering; 330 Transport Planning; 400 Design Project",
        "Engineering communication; Forces and moments; Trusses; Beams in bending; Stress and strain; Hydrostatics; "
        "Pipe flow; Open channel flow",
    ),
    _department(
        "Faculty of Engineering and Technology",
        "School of Electrical Engineering",
        "ELE",
        "105 Circuits; 130 Digital Logic; 220 Signals and Systems; 245 Electronics; 315 Control Engineering; 325 "
        "Power Systems; 430 Wireless Communications",
        "Ohm's law; Network theorems; Capacitors and inductors; AC analysis; Boolean algebra; Sequential circuits; "
        "Fourier series; The Laplace transform",
    ),
    _department(
        "Faculty of Arts and Humanities",
        "Department of History",
        "HIS",
        "101 The Ancient World; 112 Medieval Europe; 130 The Atlantic World; 220 The Industrial Revolution; 245 "
        "Empires and Decolonisation; 310 Oral History; 350 History of Medicine",
        "Sources and evidence; City and empire; Law and custom; Religion and belief; Trade routes; The peasantry; "
        "Plague and recovery; Print and reformation",
    ),
    _department(
        "Faculty of Arts and Humanities",
        "Department of Languages and Literature",
        "LIT",
        "101 Reading Poetry; 115 Academic Writing; 140 Français: Langue et Culture; 160 Español para Principiantes; "
        "205 Shakespeare and His World; 230 The Modern Novel; 320 Translation Workshop",
        "Close reading; Metre and rhyme; Metaphor; Narrators; Character; Genre; Tragedy; Comedy",
    ),
    _department(
        "Faculty of Arts and Humanities",
        "Department of Philosophy",
        "PHI",
        "101 Introduction to Philosophy; 110 Critical Thinking; 205 Ethics; 215 Logic; 240 Philosophy of Mind; 310 "
        "Political Philosophy; 335 Philosophy of Science",
        "What is philosophy; Arguments and validity; Fallacies; Knowledge and doubt; Free will; Personal identity; "
        "Utilitarianism; Duty",
    ),
    _department(
        "Faculty of Business and Law",
        "School of Business",
        "BUS",
        "101 Principles of Management; 120 Financial Accounting; 135 Microeconomics; 210 Marketing; 240 Business "
        "Analytics; 305 International Business; 380 Entrepreneurship",
        "The firm; Strategy; Organisational culture; Leadership; Motivation; Supply and demand; Elasticity; Market "
        "structures",
    ),
    _department(
        "Faculty of Business and Law",
        "School of Law",
        "LAW",
        "101 Foundations of Law; 120 Contract Law; 140 Criminal Law; 215 Constitutional Law; 230 Tort Law; 310 "
        "Intellectual Property; 345 International Law",
        "Sources of law; Reading a case; Statutory interpretation; Offer and acceptance; Consideration; Breach and "
        "remedies; Actus reus; Mens rea",
    ),
    _department(
        "Faculty of Health and Education",
        "School of Nursing",
        "NUR",
        "101 Foundations of Nursing Practice; 130 Health Assessment; 205 Pharmacology for Nurses; 220 Mental Health "
        "Nursing; 310 Acute Care; 330 Community and Public Health; 400 Clinical Placement",
        "The nursing role; Infection control; Communication; Vital signs; Wound care; Medication safety; Dosage "
        "calculation; Pain",
    ),
    _department(
        "Faculty of Health and Education",
        "School of Education",
        "EDU",
        "101 Learning and Teaching; 125 Child Development; 210 Inclusive Classrooms; 225 Assessment for Learning; 305 "
        "Literacy in the Early Years; 325 Teaching with Technology; 400 Professional Experience",
        "How people learn; Motivation; Planning a lesson; Questioning; Feedback; Classroom climate; Play; Language "
        "acquisition",
    ),
)

TERMS = (
    ("2025S1", "2025 Semester 1"),
    ("2025S2", "2025 Semester 2"),
    ("2026S1", "2026 Semester 1"),
    ("2026S2", "2026 Semester 2"),
    ("2027S1", "2027 Semester 1"),
)

# Full names and short names of the kinds that often break programs.
AWKWARD = (
    ("AT&T Industry Seminar: Research & Development", "AT&T"),
    ("\"Quoted\" Titles and O'Brien's Apostrophes", 'QUO\'TE-"1"'),
    ("Why 5 > 3: Number Sense for Teachers", "5>3"),
    ("Übungen zur Élasticité – naïve Fassung", "ÜBUNG-É"),
    ("日本語入門 (Introduction to Japanese)", "日本語-101"),
    ("Ampersands &amp; Entities, Already Escaped", "ENT-&amp;"),
    (
        "Template: " + "Interprofessional Collaboration in Rural and Remote Community Health Settings, " * 3,
        "TEMPLATE-INTERPROFESSIONAL-COLLABORATION-IN-RURAL-AND-REMOTE-COMMUNITY-HEALTH-SETTINGS-2026-EDITION",
    ),
    ("Empty Course Shell", "SHELL"),
)

FIRST_NAMES = (  # noqa: SIM905 - shorter than a list
    "Amara Anders Beatriz Bruno Chen Chloe Dalia Daniel Elena Emeka Farah Felix Grace Gustavo Hana Henry Imani Ivan "
    "Jasmine Joao Kavya Kofi Leila Liam Mariko Mateo Nadia Noah Olga Omar Priya Quentin Rosa Rasmus Sofia Samuel "
    "Tamsin Tariq Ursula Victor Wanjiru William Ximena Yusuf Zainab Zoe"
).split()

LAST_NAMES = (  # noqa: SIM905 - shorter than a list
    "Abebe Andersson Bakshi Brown Castellanos Chowdhury Da-Silva Dubois Eriksen Evans Fernandes Fischer Garcia Green "
    "Haddad Hughes Ibrahim Ivanova Jansen Jones Kaplan Kim Lindqvist Lopez Mbeki Müller Nakamura Nguyen O'Brien "
    "Okafor Park Patel Quispe Rahman Rossi Sato Schmidt Taylor Tanaka Ueda Vargas Virtanen Wang Wilson Yamada Zhang"
).split()
