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
 * The second phase: restore.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use backup_setting;
use base_setting;
use context_course;
use moodle_exception;
use restore_activity_task;
use stdClass;

/**
 * Restores the backup of the duplication into the new course.
 */
class restore_phase {
    /** @var string[] What the precheck warned of. */
    private array $warnings = [];

    /** @var array[] Old and new ids of the activities. */
    private array $activities = [];

    /**
     * Constructor.
     *
     * @param stdClass $job
     * @param request $request
     */
    public function __construct(
        /** @var stdClass row of the duplication */
        private stdClass $job,
        /** @var request what is asked for */
        private request $request
    ) {
    }

    /**
     * Does it.
     *
     * @param int $courseid the new course
     * @param progress $progress
     */
    public function run(int $courseid, progress $progress): void {
        $restore = new restore_process($this->job->duplicateid, $courseid, $this->job->userid);
        try {
            $this->configure($restore->get_plan(), context_course::instance($courseid));
            $this->precheck($restore);
            // Not before the precheck: it begins and ends a progress of its own.
            $restore->set_progress($progress);
            $restore->execute_plan();
            $this->activities = self::restored_activities($restore->get_plan());
        } finally {
            $restore->destroy();
        }
    }

    /**
     * What the precheck warned of.
     *
     * @return string[]
     */
    public function get_warnings(): array {
        return $this->warnings;
    }

    /**
     * Old and new ids of the activities.
     *
     * @return array[]
     */
    public function get_activities(): array {
        return $this->activities;
    }

    /**
     * Sets options, names and the start date.
     *
     * @param \restore_plan $plan
     * @param context_course $context of the new course
     */
    private function configure(\restore_plan $plan, context_course $context): void {
        foreach ($this->request->options as $name => $value) {
            if ($plan->setting_exists($name) && $plan->get_setting($name)->get_status() == backup_setting::NOT_LOCKED) {
                $plan->get_setting($name)->set_value($value);
            }
        }
        // These are locked for users who may not configure restores. Whoever may create the course may name it, and the
        // capability to move dates was checked. Without that for enrolment methods Moodle has set "never".
        if (has_capability('moodle/course:enrolconfig', $context, $this->job->userid)) {
            self::unlock($plan, 'enrolments', $this->request->options['enrolments']);
        }
        self::unlock($plan, 'course_fullname', $this->request->fullname);
        self::unlock($plan, 'course_shortname', $this->request->shortname);
        if ($this->request->startdate !== null) {
            self::unlock($plan, 'course_startdate', $this->request->startdate);
        }
    }

    /**
     * Sets a locked setting.
     *
     * @param \restore_plan $plan
     * @param string $name
     * @param mixed $value
     */
    private static function unlock(\restore_plan $plan, string $name, $value): void {
        $setting = $plan->get_setting($name);
        $setting->set_status(base_setting::NOT_LOCKED);
        $setting->set_value($value);
    }

    /**
     * Executes the precheck.
     *
     * @param restore_process $restore
     * @throws moodle_exception backupprecheckerrors
     */
    private function precheck(restore_process $restore): void {
        if ($restore->execute_precheck()) {
            return;
        }
        $results = $restore->get_precheck_results();
        $this->warnings = array_values($results['warnings'] ?? []);
        if (!empty($results['errors'])) {
            throw new moodle_exception('backupprecheckerrors', 'webservice', '', implode(' ', $results['errors']));
        }
    }

    /**
     * Old and new ids of the activities of a plan that was executed.
     *
     * @param \restore_plan $plan
     * @return array[]
     */
    private static function restored_activities(\restore_plan $plan): array {
        $activities = [];
        foreach ($plan->get_tasks() as $task) {
            if ($task instanceof restore_activity_task && $task->get_moduleid()) {
                $activities[] = [
                    'modname' => $task->get_modulename(),
                    'oldcmid' => (int) $task->get_old_moduleid(),
                    'newcmid' => (int) $task->get_moduleid(),
                    'oldinstance' => (int) $task->get_old_activityid(),
                    'newinstance' => (int) $task->get_activityid(),
                ];
            }
        }
        return $activities;
    }
}
