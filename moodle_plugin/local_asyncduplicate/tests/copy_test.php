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
 * Tests of the making of copies.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate;

use local_asyncduplicate\local\backup_phase;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\locks;
use local_asyncduplicate\local\new_course;
use local_asyncduplicate\local\pace;
use local_asyncduplicate\local\progress;
use local_asyncduplicate\local\reaper;
use local_asyncduplicate\local\request;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once(__DIR__ . '/duplication_testcase.php');

/**
 * Tests of the making of copies, and of what happens when that is interrupted.
 *
 * @covers \local_asyncduplicate\local\worker
 * @covers \local_asyncduplicate\local\course_copy
 * @covers \local_asyncduplicate\local\backup_phase
 * @covers \local_asyncduplicate\local\restore_phase
 * @covers \local_asyncduplicate\local\new_course
 * @covers \local_asyncduplicate\local\cleaner
 * @covers \local_asyncduplicate\local\ending
 * @covers \local_asyncduplicate\local\reaper
 * @covers \local_asyncduplicate\local\report
 * @covers \local_asyncduplicate\local\notifier
 */
final class copy_test extends duplication_testcase {
    public function test_copy(): void {
        global $CFG, $DB;
        $events = $this->redirectEvents();
        $messages = $this->redirectMessages();
        $job = $this->work($this->start(['visible' => 0, 'idnumber' => 'N1']));
        $this->assertEquals(1000, $job->status, (string) $job->errormessage);
        $this->assertEquals(1, $job->progress);
        $course = $DB->get_record('course', ['id' => $job->courseid], '*', MUST_EXIST);
        $this->assertSame(['The copy', 'COPY', 'N1'], [$course->fullname, $course->shortname, $course->idnumber]);
        $this->assertEquals([0, $this->category->id], [$course->visible, $course->category]);
        $this->assertEquals([$this->source->startdate, $this->source->enddate], [$course->startdate, $course->enddate]);
        $this->assertCount(2, get_fast_modinfo($course)->get_cms());
        $this->assertSame(0, count_enrolled_users(\context_course::instance($course->id)));
        $this->assertFileDoesNotExist("$CFG->backuptempdir/$job->duplicateid");
        $this->assertFalse($DB->record_exists_select('files', $DB->sql_like('filename', '?'), ['asyncduplicate-%']));
        $this->assertNull($job->taskid);
        $happened = array_filter($events->get_events(), fn($event) => $event instanceof event\duplication_succeeded);
        $this->assertCount(1, $happened);
        $this->assertSame('succeeded', $messages->get_messages()[0]->eventtype);
        $this->assertEquals($this->caller->id, $messages->get_messages()[0]->useridto);
        foreach ($DB->get_records('course_categories') as $category) {
            $this->assertEquals($DB->count_records('course', ['category' => $category->id]), $category->coursecount);
        }
    }

    public function test_options(): void {
        $enrolled = fn($job) => count_enrolled_users(\context_course::instance($job->courseid));
        $with = $this->work($this->start(['shortname' => 'A', 'options' => [['users' => 1]]]));
        $this->assertSame(1, $enrolled($with));
        $without = $this->work($this->start(['shortname' => 'B', 'options' => [['activities' => 0]]]));
        $this->assertSame(0, $enrolled($without));
        $this->assertCount(0, get_fast_modinfo($without->courseid)->get_cms());
        $report = json_decode($without->report, true);
        $missing = array_filter($report['missing'], fn($item) => $item['kind'] === 'activities');
        $this->assertEqualsCanonicalizing(['assign', 'page'], array_column($missing, 'name'));
    }

    public function test_enrolment_methods(): void {
        global $DB;
        $self = $DB->get_record('enrol', ['courseid' => $this->source->id, 'enrol' => 'self'], '*', MUST_EXIST);
        $DB->update_record('enrol', (object) ['id' => $self->id, 'password' => 'open sesame', 'status' => ENROL_INSTANCE_ENABLED]);
        $keys = fn($job) => $DB->count_records_select(
            'enrol',
            'courseid = ? AND enrol = ? AND password = ?',
            [$job->courseid, 'self', 'open sesame']
        );
        $options = fn(int $users, int $enrolments) => [['users' => $users, 'enrolments' => $enrolments]];
        $this->assertSame(1, $keys($this->work($this->start(['shortname' => 'A', 'options' => $options(0, 2)]))));
        $this->assertSame(0, $keys($this->work($this->start(['shortname' => 'B', 'options' => $options(0, 1)]))));
        $this->assertSame(1, $keys($this->work($this->start(['shortname' => 'C', 'options' => $options(1, 1)]))));
        $this->assertSame(0, $keys($this->work($this->start(['shortname' => 'D', 'options' => $options(1, 0)]))));
    }

    public function test_dates_move(): void {
        global $DB;
        $this->setTimezone('Europe/Berlin');
        $start = make_timestamp(2026, 8, 31);
        $DB->set_field('course', 'startdate', make_timestamp(2025, 9, 1), ['id' => $this->source->id]);
        $DB->set_field('course', 'enddate', make_timestamp(2025, 11, 1), ['id' => $this->source->id]);
        $DB->set_field('assign', 'duedate', make_timestamp(2025, 9, 15, 12), ['course' => $this->source->id]);
        $job = $this->work($this->start(['startdate' => $start]));
        $course = $DB->get_record('course', ['id' => $job->courseid]);
        $this->assertEquals($start, $course->startdate);
        // 364 days later and still midnight, although daylight saving has ended in between.
        $this->assertEquals(make_timestamp(2026, 10, 31), $course->enddate);
        $this->assertEquals(make_timestamp(2026, 9, 14, 12), $DB->get_field('assign', 'duedate', ['course' => $course->id]));
        $job = $this->work($this->start(['shortname' => 'B', 'startdate' => $start, 'enddate' => $start + WEEKSECS]));
        $this->assertEquals($start + WEEKSECS, $DB->get_field('course', 'enddate', ['id' => $job->courseid]));
    }

    public function test_it_works_without_the_capability_to_configure_backups(): void {
        foreach (['moodle/backup:configure', 'moodle/restore:configure', 'moodle/course:changefullname'] as $capability) {
            $this->prohibit($capability);
        }
        $job = $this->work($this->start(['options' => [['users' => 1, 'blocks' => 0]]]));
        $this->assertEquals(1000, $job->status, (string) $job->errormessage);
    }

    public function test_second_run_makes_nothing(): void {
        global $DB;
        $id = $this->start();
        $job = $this->work($id);
        $courses = $DB->count_records('course');
        $this->assertEquals($job, $this->work($id));
        $this->assertSame($courses, $DB->count_records('course'));
    }

    public function test_short_name_taken_meanwhile(): void {
        $id = $this->start();
        $this->getDataGenerator()->create_course(['shortname' => 'copy']);
        $sink = $this->redirectMessages();
        $job = $this->work($id);
        $this->assertEquals([900, 'shortnametaken'], [$job->status, $job->errorcode]);
        $this->assertSame('failed', $sink->get_messages()[0]->eventtype);
        $this->assertNull($job->courseid);
    }

    public function test_source_deleted_meanwhile(): void {
        $id = $this->start();
        delete_course($this->source->id, false);
        $job = $this->work($id);
        $this->assertEquals([900, 'invalidrecord'], [$job->status, $job->errorcode]);
        $this->assert_nothing_left($job);
    }

    /**
     * Moments at which the process is killed.
     *
     * @return array[]
     */
    public static function killed_provider(): array {
        return ['before the backup' => [0], 'between' => [1], 'with a course' => [2]];
    }

    /**
     * A row whose process was killed ends when the scheduled task runs, or when Moodle runs its task again.
     *
     * @dataProvider killed_provider
     * @param int $steps
     */
    public function test_killed(int $steps): void {
        foreach (['scheduled task', 'second run'] as $ended) {
            $id = $this->start();
            $job = $this->killed($id, $steps);
            if ($ended === 'second run') {
                $job = $this->work($id);
            } else {
                $this->quietly(fn() => (new reaper())->run());
                $job = jobs::find($id);
            }
            $this->assertEquals([900, 'processdied'], [$job->status, $job->errorcode]);
            $this->assert_nothing_left($job);
        }
        $this->assertEquals(1000, $this->work($this->start())->status);
    }

    /**
     * Leaves a row as a killed process does.
     *
     * @param string $id
     * @param int $steps
     * @return \stdClass
     */
    private function killed(string $id, int $steps): \stdClass {
        $job = jobs::find($id);
        $request = request::from_job($job);
        jobs::update($job, ['status' => jobs::EXECUTING]);
        if ($steps > 0) {
            (new backup_phase($job, $request))->run(new progress($job, jobs::BACKUP, pace::of_job($job)));
        }
        if ($steps > 1) {
            new_course::create($job, $request);
        }
        return $job;
    }

    public function test_reaper_leaves_those_alone_that_are_worked_on(): void {
        $id = $this->start();
        jobs::update(jobs::find($id), ['status' => jobs::EXECUTING]);
        // Locks of one process may be got twice on some databases: only a second connection tells the truth there.
        $lock = (new \core\lock\file_lock_factory('local_asyncduplicate'))->get_lock('job_' . $id, 0);
        set_config('lock_factory', '\core\lock\file_lock_factory');
        global $CFG;
        $CFG->lock_factory = '\core\lock\file_lock_factory';
        try {
            (new reaper())->run();
        } finally {
            $lock->release();
            $CFG->lock_factory = 'auto';
        }
        $this->assertEquals(800, jobs::find($id)->status);
    }

    public function test_task_gone(): void {
        global $DB;
        $id = $this->start();
        (new reaper())->run();
        $this->assertEquals(700, jobs::find($id)->status);
        $DB->delete_records('task_adhoc', ['component' => 'local_asyncduplicate']);
        $this->quietly(fn() => (new reaper())->run());
        $job = jobs::find($id);
        $this->assertEquals([900, 'taskgone'], [$job->status, $job->errorcode]);
    }

    public function test_killed_after_the_end_is_settled(): void {
        $id = $this->start();
        $job = $this->work($id);
        jobs::update($job, ['taskid' => 12345]);
        $sink = $this->redirectMessages();
        (new reaper())->run();
        $this->assertNull(jobs::find($id)->taskid);
        $this->assertCount(1, $sink->get_messages());
    }

    public function test_old_rows_are_deleted(): void {
        global $DB;
        $job = $this->work($this->start());
        (new reaper())->run();
        $this->assertSame(1, $DB->count_records(jobs::TABLE));
        jobs::update($job, ['timefinished' => time() - YEARSECS]);
        (new reaper())->run();
        $this->assertSame(0, $DB->count_records(jobs::TABLE));
    }

    public function test_failure_leaves_nothing_in_the_recycle_bin(): void {
        global $DB;
        set_config('categorybinenable', 1, 'tool_recyclebin');
        $job = $this->killed($this->start(), 2);
        $this->quietly(fn() => (new reaper())->run());
        $this->assertSame(0, $DB->count_records('tool_recyclebin_category'));
        $this->assertFalse($DB->record_exists('course', ['id' => $job->courseid]));
    }

    public function test_cancel_of_one_that_runs(): void {
        global $DB;
        $id = $this->start();
        // As if it came while the backup runs.
        $DB->set_field(jobs::TABLE, 'cancelrequested', 1, ['duplicateid' => $id]);
        $job = $this->work($id);
        $this->assertEquals([900, 'cancelled'], [$job->status, $job->errorcode]);
        $this->assert_nothing_left($job);
    }

    public function test_uninstall_leaves_nothing(): void {
        $waiting = $this->start();
        $dead = $this->start(['shortname' => 'DEAD']);
        $this->killed($dead, 2);
        $this->quietly(fn() => (new reaper())->end_all());
        $this->assertEquals(900, jobs::find($waiting)->status);
        $this->assert_nothing_left(jobs::find($dead));
    }

    public function test_concurrency_limit(): void {
        $task = new task\duplicate();
        $this->assertSame(task\duplicate::DEFAULT_CONCURRENCY, $task->get_concurrency_limit());
        set_config('concurrency', 7, 'local_asyncduplicate');
        $this->assertSame(7, $task->get_concurrency_limit());
        $this->assertFalse($task->retry_until_success());
    }
}
