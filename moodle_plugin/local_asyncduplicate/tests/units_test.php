<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Tests of the classes that need no copy.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate;

use local_asyncduplicate\local\choices;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\pace;
use local_asyncduplicate\local\pointers;

/**
 * Tests of options, pace and pointers.
 *
 * @covers \local_asyncduplicate\local\choices
 * @covers \local_asyncduplicate\local\pace
 * @covers \local_asyncduplicate\local\pointers
 */
final class units_test extends \advanced_testcase {
    public function test_options_without_effect_are_off(): void {
        $all = array_map(fn($name) => ['name' => $name, 'value' => 1], array_keys(choices::DEFAULTS));
        $this->assertSame(array_fill_keys(array_keys(choices::DEFAULTS), 1), choices::effective($all));
        $without = choices::effective(array_merge($all, [['name' => 'users', 'value' => '0']]));
        $this->assertSame(['activities', 'blocks', 'filters'], array_keys(array_filter($without)));
        $always = choices::effective([['name' => 'enrolments', 'value' => 2]]);
        $this->assertSame([0, 2], [$always['users'], $always['enrolments']]);
    }

    public function test_pace_without_history(): void {
        $pace = pace::of_history([]);
        $this->assertEqualsWithDelta(0.25, $pace->overall(jobs::BACKUP, 0.5, 0, [0]), 1e-9);
        $this->assertEqualsWithDelta(0.75, $pace->overall(jobs::RESTORE, 0.5, 0, [0]), 1e-9);
        $this->assertEqualsWithDelta(1.0, $pace->overall(jobs::RESTORE, 1.0, 0, [0]), 1e-9);
    }

    public function test_pace_with_history(): void {
        $linear = fn(int $total) => array_map(fn($part) => (int) ($total * $part / pace::PARTS), range(0, pace::PARTS));
        $pace = pace::of_history([[jobs::BACKUP => $linear(2000), jobs::RESTORE => $linear(8000)]]);
        // A quarter of the backup, that takes a fifth of the time.
        $this->assertEqualsWithDelta(0.05, $pace->overall(jobs::BACKUP, 0.25, 500, $linear(2000)), 1e-6);
        // Time goes on within a part, not beyond it.
        $reached = array_slice($linear(8000), 0, 11);
        $this->assertEqualsWithDelta(0.62, $pace->overall(jobs::RESTORE, 0.5, 4200, $reached), 1e-6);
        $this->assertEqualsWithDelta(0.64, $pace->overall(jobs::RESTORE, 0.5, 9000, $reached), 1e-6);
    }

    public function test_pointers(): void {
        global $CFG, $DB;
        $this->resetAfterTest();
        $generator = $this->getDataGenerator();
        $source = $generator->create_course();
        $copy = $generator->create_course();
        $page = $generator->create_module('page', ['course' => $source->id]);
        $links = [
            "$CFG->wwwroot/course/view.php?id=$source->id",
            "$CFG->wwwroot/mod/page/view.php?id=$page->cmid",
            "$CFG->wwwroot/mod/quiz/index.php?id=$source->id",
            "$CFG->wwwroot/pluginfile.php/" . \context_module::instance($page->cmid)->id . '/mod_page/content/0/a.png',
            "$CFG->wwwroot/report/log/index.php?chooselog=1&amp;course=$source->id",
        ];
        $fine = [
            "$CFG->wwwroot/course/view.php?id=$copy->id",
            "$CFG->wwwroot/user/profile.php?id=$source->id",
            "https://other.example/course/view.php?id=$source->id",
        ];
        $text = implode(' ', array_map(fn($url) => "<a href=\"$url\">x</a>", [...$links, ...$fine]));
        $generator->create_module('label', ['course' => $copy->id, 'intro' => $text]);
        $generator->create_module('url', ['course' => $copy->id, 'externalurl' => $links[0]]);
        $DB->set_field('course', 'summary', $text, ['id' => $copy->id]);
        $found = (new pointers($source->id, $copy->id))->find();
        $bare = fn($urls) => array_map(fn($url) => preg_replace('~^https?:~', '', $url), $urls);
        $in = fn($where) => array_column(array_filter($found, fn($item) => $item['where'] === $where), 'url');
        $this->assertEqualsCanonicalizing($bare($links), $bare($in('label.intro')));
        $this->assertEqualsCanonicalizing($bare($links), $bare($in('course.summary')));
        $this->assertSame([$links[0]], $in('url.externalurl'));
    }

    public function test_tools_of_the_source(): void {
        global $DB;
        $this->resetAfterTest();
        $this->setAdminUser();
        $generator = $this->getDataGenerator();
        $source = $generator->create_course();
        $copy = $generator->create_course();
        $type = $DB->insert_record('lti_types', (object) ['name' => 'Tool', 'baseurl' => 'https://tool.example/',
            'tooldomain' => 'tool.example', 'state' => 1, 'course' => $source->id, 'createdby' => 2, 'timecreated' => 1,
            'timemodified' => 1]);
        $lti = $generator->create_module('lti', ['course' => $copy->id, 'typeid' => $type]);
        $found = (new pointers($source->id, $copy->id))->find();
        $this->assertSame([['lti', (int) $lti->cmid]], array_map(fn($item) => [$item['kind'], $item['cmid']], $found));
    }
}
