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
 * What a duplication leaves behind.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use context_course;
use stdClass;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once($CFG->dirroot . '/backup/util/includes/restore_includes.php');
require_once($CFG->dirroot . '/course/lib.php');
require_once($CFG->libdir . '/badgeslib.php');

/**
 * Removes everything that an unfinished duplication made. May be repeated.
 */
class cleaner {
    /**
     * Constructor.
     *
     * @param stdClass $job row whose lock is held
     */
    public function __construct(
        /** @var stdClass row of the duplication */
        private stdClass $job
    ) {
    }

    /**
     * The name of the backup file of a duplication.
     *
     * @param string $duplicateid
     * @return string
     */
    public static function file_name(string $duplicateid): string {
        return 'asyncduplicate-' . $duplicateid . '.mbz';
    }

    /**
     * Removes everything.
     */
    public function remove_all(): void {
        $this->remove_temporary();
        self::drop_temporary_tables();
        $this->remove_records();
        $this->remove_course();
    }

    /**
     * Removes the temporary folder, the logs and the backup file.
     */
    public function remove_temporary(): void {
        global $CFG, $DB;
        $duplicateid = $this->job->duplicateid;
        $folder = make_backup_temp_directory('');
        if (empty($CFG->keeptempdirectoriesonbackup)) {
            fulldelete($folder . '/' . $duplicateid);
        }
        foreach ([$duplicateid, restore_process::id_of($duplicateid)] as $id) {
            if (file_exists($folder . '/' . $id . '.log')) {
                unlink($folder . '/' . $id . '.log');
            }
        }
        $context = context_course::instance($this->job->sourceid, IGNORE_MISSING);
        if ($context) {
            $file = get_file_storage()->get_file($context->id, 'backup', 'course', 0, '/', self::file_name($duplicateid));
            if ($file) {
                $file->delete();
            }
        }
    }

    /**
     * Drops the temporary tables of a failed backup or restore: the next one of this process makes them again.
     */
    private static function drop_temporary_tables(): void {
        global $DB;
        $manager = $DB->get_manager();
        foreach (['backup_ids_temp', 'backup_files_temp'] as $name) {
            $table = new \xmldb_table($name);
            if ($manager->table_exists($table)) {
                $manager->drop_table($table);
            }
        }
        \restore_dbops::reset_backup_ids_cached();
    }

    /**
     * Removes the rows in which Moodle keeps backups and restores.
     */
    private function remove_records(): void {
        global $DB;
        foreach ([$this->job->duplicateid, restore_process::id_of($this->job->duplicateid)] as $id) {
            $DB->delete_records('backup_controllers', ['backupid' => $id]);
            $DB->delete_records('backup_logs', ['backupid' => $id]);
        }
    }

    /**
     * Removes the new course.
     */
    private function remove_course(): void {
        global $DB;
        $course = empty($this->job->courseid) ? false : $DB->get_record('course', ['id' => $this->job->courseid]);
        if (!$course) {
            return;
        }
        // Deleting a course would keep its badges and put it into the recycle bin.
        foreach ($DB->get_fieldset_select('badge', 'id', 'courseid = ?', [$course->id]) as $badgeid) {
            (new \core_badges\badge($badgeid))->delete(false);
        }
        $course->deletesource = 'restore';
        delete_course($course, false);
        fix_course_sortorder();
        if ($DB->record_exists('course', ['id' => $course->id])) {
            throw new \moodle_exception('cannotdeletecourse', 'error');
        }
    }
}
